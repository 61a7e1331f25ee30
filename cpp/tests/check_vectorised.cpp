// Looks at a kernel's object file for the loops that must be vectorised: those that the source marks by the comment
// `// must vectorise: NAME` above `#pragma omp simd`, or above the loop itself if it is written with vectors. In each
// function that has code of such a loop, one loop of the object code must do packed arithmetic in full registers and
// store no single numbers. (Others may be there, too: for remainders, or for memory that overlaps. Scalar arithmetic
// may be of values that all pixels share.) Line tables
// (-g1 -gdwarf-4, which do not change the code) tell which code is whose.
//
//     check_vectorised OBJDUMP BYTES OBJECT SOURCE...
//
// BYTES is the size of a full register: 16, 32 or 64. Loops are marked in the SOURCEs.
#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

// ---- the source -------------------------------------------------------------------------------------------

// A line of the first source from 1 on, of the second one from kMostLines + 1 on, and so on.
constexpr int kMostLines = 1'000'000;

struct Marked {
    std::string name;
    int first, last;  // lines
};

// The line where the statement that begins in line `first` ends.
int last_line(const std::vector<std::string>& lines, int first) {
    int depth = 0;
    for (int at = first; at <= static_cast<int>(lines.size()); ++at) {
        const std::string& line = lines[static_cast<std::size_t>(at) - 1];
        const std::string code = line.substr(0, line.find("//"));
        for (const char character : code) {
            depth += (character == '(' || character == '{') - (character == ')' || character == '}');
            if (depth == 0 && (character == ';' || character == '}')) return at;
        }
    }
    throw std::runtime_error("the loop in line " + std::to_string(first) + " does not end");
}

std::vector<Marked> marked_loops(const std::string& path, int offset) {
    std::ifstream file(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    std::vector<Marked> found;
    const std::string mark = "// must vectorise: ";
    for (std::size_t at = 0; at + 2 < lines.size(); ++at) {
        const std::size_t begin = lines[at].find(mark);
        if (begin == std::string::npos) continue;
        const bool pragma = lines[at + 1].find("#pragma omp simd") != std::string::npos;
        const int first = static_cast<int>(at) + (pragma ? 3 : 2);  // below the mark
        found.push_back({lines[at].substr(begin + mark.size()), offset + first, offset + last_line(lines, first)});
    }
    return found;
}

// ---- the object code --------------------------------------------------------------------------------------

// Packed arithmetic; and stores of one number, but not to the stack, where registers are kept for a while.
enum class Kind { other, packed, store };

struct Instruction {
    unsigned long address = 0, target = 0;  // target: where a jump goes
    Kind kind = Kind::other;
    int bytes = 0;  // size of the widest vector register that it uses, if it uses more than one number of it
    int line = 0;   // line of a source; 0: another file
};

struct Function {
    std::string name;
    std::vector<Instruction> code;
};

bool begins_with(const std::string& text, const std::string& with) { return text.compare(0, with.size(), with) == 0; }

bool ends_with(const std::string& text, const std::string& with) {
    return text.size() >= with.size() && text.compare(text.size() - with.size(), with.size(), with) == 0;
}

Kind kind_of(std::string mnemonic, const std::string& operands) {
    if (begins_with(mnemonic, "v")) mnemonic.erase(0, 1);
    static const std::set<std::string> kStores{"movsd",  "movss",  "movlpd", "movhpd",
                                               "movlps", "movhps", "movq",   "movd"};
    if (kStores.count(mnemonic) > 0) {
        const bool memory = begins_with(operands, "%xmm") && ends_with(operands, ")");
        const bool stack = ends_with(operands, "(%rsp)") || ends_with(operands, "(%rbp)");
        return memory && !stack ? Kind::store : Kind::other;
    }
    if (mnemonic.size() < 5 || !(ends_with(mnemonic, "pd") || ends_with(mnemonic, "ps"))) return Kind::other;
    const std::string stem = mnemonic.substr(0, mnemonic.size() - 2);
    static const std::set<std::string> kPlain{"add", "sub", "mul", "div", "sqrt"};
    bool arithmetic = kPlain.count(stem) > 0;
    for (const char* fused : {"fmadd", "fmsub", "fnmadd", "fnmsub"}) arithmetic |= begins_with(stem, fused);
    return arithmetic ? Kind::packed : Kind::other;
}

int register_bytes(const std::string& operands) {
    if (operands.find("%zmm") != std::string::npos) return 64;
    if (operands.find("%ymm") != std::string::npos) return 32;
    return operands.find("%xmm") != std::string::npos ? 16 : 0;
}

// "  1f:\tvaddpd %ymm0,%ymm1,%ymm2": an address, a mnemonic, operands.
bool parse_instruction(const std::string& text, Instruction& out) {
    char* end = nullptr;
    out.address = strtoul(text.c_str(), &end, 16);
    if (end == text.c_str() || end[0] != ':' || end[1] != '\t') return false;
    const std::string words = end + 2;
    const std::size_t space = words.find(' ');
    const std::string mnemonic = words.substr(0, space);
    const std::string operands = space == std::string::npos ? "" : words.substr(words.find_first_not_of(' ', space));
    out.kind = kind_of(mnemonic, operands);
    const bool scalar = ends_with(mnemonic, "sd") || ends_with(mnemonic, "ss") || out.kind == Kind::store;
    out.bytes = scalar ? 0 : register_bytes(operands);
    if (begins_with(mnemonic, "j")) out.target = strtoul(operands.c_str(), nullptr, 16);
    return true;
}

// What `objdump -d -l -C` writes: "0000 <function>:", "path/file:line", and instructions.
class Listing {
  public:
    explicit Listing(const std::vector<std::string>& sources) {
        for (const std::string& source : sources) files_.push_back(source.substr(source.find_last_of('/') + 1) + ":");
    }

    void add(const std::string& text) {
        Instruction instruction;
        if (text.size() > 2 && text.compare(text.size() - 2, 2, ">:") == 0) {
            functions_.push_back({text.substr(text.find('<') + 1, text.size() - text.find('<') - 3), {}});
            line_ = 0;
        } else if (!functions_.empty() && parse_instruction(text, instruction)) {
            instruction.line = line_;
            functions_.back().code.push_back(instruction);
        } else {
            bool place = begins_with(text, "/");
            int line = 0;
            for (std::size_t file = 0; file < files_.size(); ++file) {
                const std::size_t at = text.find(files_[file]);
                if (at == std::string::npos || !(at == 0 || text[at - 1] == '/')) continue;
                place = true;
                line = static_cast<int>(file) * kMostLines + atoi(text.c_str() + at + files_[file].size());
            }
            if (place) line_ = line;
        }
    }
    const std::vector<Function>& functions() const { return functions_; }

  private:
    std::vector<std::string> files_;
    std::vector<Function> functions_;
    int line_ = 0;
};

std::vector<Function> disassemble(const std::string& objdump, const std::vector<std::string>& sources,
                                  const std::string& object) {
    const std::string command = "'" + objdump + "' -d -l -C --no-show-raw-insn '" + object + "'";
    FILE* pipe = popen(command.c_str(), "r");
    if (pipe == nullptr) throw std::runtime_error(objdump + ": cannot be run");
    Listing listing(sources);
    std::string line;
    for (int character = fgetc(pipe); character != EOF; character = fgetc(pipe)) {
        if (character != '\n') {
            line += static_cast<char>(character);
            continue;
        }
        listing.add(line);
        line.clear();
    }
    if (pclose(pipe) != 0) throw std::runtime_error(objdump + " cannot read " + object);
    return listing.functions();
}

// From the target of a jump back to the jump.
struct Range {
    std::size_t first, last;
};

// The innermost loops of a function.
std::vector<Range> loops_of(const Function& function) {
    std::map<unsigned long, std::size_t> at;
    for (std::size_t i = 0; i < function.code.size(); ++i) at[function.code[i].address] = i;
    std::vector<Range> all, innermost;
    for (std::size_t i = 0; i < function.code.size(); ++i) {
        const auto target = at.find(function.code[i].target);
        if (function.code[i].target != 0 && target != at.end() && target->second <= i)
            all.push_back({target->second, i});
    }
    for (const Range& loop : all) {
        const bool inner = std::none_of(all.begin(), all.end(), [&](const Range& other) {
            return other.first >= loop.first && other.last <= loop.last &&
                   (other.first != loop.first || other.last != loop.last);
        });
        if (inner) innermost.push_back(loop);
    }
    return innermost;
}

// ---- the judgement ----------------------------------------------------------------------------------------

enum class Outcome { elsewhere, scalar, vectorised };

// What became of a marked loop in one function.
Outcome outcome_in(const Function& function, const Marked& marked, int bytes) {
    Outcome outcome = Outcome::elsewhere;
    for (const Range& loop : loops_of(function)) {
        int arithmetic = 0, wide = 0, single = 0;
        bool ours = false;
        for (std::size_t i = loop.first; i <= loop.last; ++i) {
            const Instruction& instruction = function.code[i];
            const bool full = instruction.bytes == bytes;
            arithmetic += full && instruction.kind == Kind::packed;
            if (instruction.line < marked.first || instruction.line > marked.last) continue;
            ours = true;
            wide += full;
            single += instruction.kind == Kind::store;
        }
        // A short loop may be unrolled altogether, with its remainder, and then stands in the loop around it.
        const bool unrolled = wide > 2 * single;
        if (arithmetic > 0 && wide > 0 && (single == 0 || unrolled)) return Outcome::vectorised;
        if (ours) outcome = Outcome::scalar;
    }
    return outcome;
}

// All lines of a loop's report; whether it is what it must be.
bool judge(const std::vector<Function>& functions, const Marked& marked, int bytes) {
    constexpr int kShown = 3;
    int vectorised = 0, scalar = 0;
    for (const Function& function : functions) {
        const Outcome outcome = outcome_in(function, marked, bytes);
        vectorised += outcome == Outcome::vectorised;
        if (outcome != Outcome::scalar || ++scalar > kShown) continue;
        std::cout << marked.name << ": not in registers of " << bytes << " bytes: " << function.name << '\n';
    }
    std::cout << marked.name << ": vectorised in " << vectorised << " function(s)";
    if (scalar > 0) std::cout << ", scalar or in smaller registers in " << scalar;
    std::cout << (vectorised + scalar == 0 ? ", expected at least one\n" : "\n");
    return vectorised > 0 && scalar == 0;
}

int check(const std::string& objdump, int bytes, const std::string& object, const std::vector<std::string>& sources) {
    const std::vector<Function> functions = disassemble(objdump, sources, object);
    bool good = true, any = false;
    for (std::size_t file = 0; file < sources.size(); ++file) {
        for (const Marked& marked : marked_loops(sources[file], static_cast<int>(file) * kMostLines)) {
            any = true;
            good &= judge(functions, marked, bytes);
        }
    }
    if (!any) throw std::runtime_error(sources.front() + ": found no comment '// must vectorise: NAME'");
    return good ? 0 : 1;
}

}  // namespace

int main(int count, char** words) {
    if (count < 5) {
        std::cerr << "usage: check_vectorised OBJDUMP BYTES OBJECT SOURCE...\n";
        return 2;
    }
    try {
        return check(words[1], atoi(words[2]), words[3], std::vector<std::string>(words + 4, words + count));
    } catch (const std::exception& error) {
        std::cerr << "check_vectorised: " << error.what() << '\n';
        return 2;
    }
}
