"""Make C++ of PTX, the assembly that nvcc writes, for the emulator (emulator.hpp) to run where there is no GPU.

    translate_ptx.py FILE.ptx FILE.cpp

There is one function for each kernel and device function. What instructions do is in emulator.hpp; here are their
operands. The source is NVIDIA's "Parallel Thread Execution ISA". An instruction that the emulator does not know becomes
a fault that names it, raised when it is reached; anything else that it does not know is an error at once.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

C_TYPES = {
    "pred": "bool", "f32": "float", "f64": "double",
    **{f"{kind}{bits}": f"std::{'' if kind == 's' else 'u'}int{bits}_t" for kind in "bus" for bits in (8, 16, 32, 64)},
}  # fmt: skip
WIDER = {"u16": "u32", "s16": "s32", "u32": "u64", "s32": "s64"}
SPECIAL = {
    "%tid.x": "thread.index", "%ntid.x": "thread.size", "%ctaid.x": "thread.block_x", "%ctaid.y": "thread.block_y",
    "%nctaid.x": "thread.blocks_x", "%nctaid.y": "thread.blocks_y",
}  # fmt: skip
SPACES = ("global", "shared", "local", "param")
SHARED_BEGIN = 256  # first address of shared memory: 0 is no address
OPERATIONS = {
    "add": 2, "sub": 2, "mul": 2, "mul_lo": 2, "mul_hi": 2, "mad_lo": 3, "fma": 3, "div": 2, "rem": 2, "rcp": 1,
    "sqrt": 1, "rsqrt": 1, "neg": 1, "abs": 1, "min": 2, "max": 2, "and": 2, "or": 2, "xor": 2, "not": 1,
    "shf_l_wrap": 3, "shf_r_wrap": 3, "prmt": 3,
}  # fmt: skip
"""Whose operands have all the type of the instruction, and how many there are."""
PLAIN = {"add": "+", "sub": "-", "mul_lo": "*", "and": "&", "or": "|", "xor": "^"}
"""C++'s own operators, for unsigned integers. A template's name for each of them would take the compiler as long to
look up and to put in place as all the rest."""
PLAIN_NUMBERS = {"add": "+", "sub": "-", "mul": "*"}
PLAIN_COMPARISONS = {"eq": "==", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
"""Which are false for NaN in C++ too."""
CARRYING = {"add_cc": 2, "addc": 2, "addc_cc": 2, "sub_cc": 2, "subc": 2, "subc_cc": 2,
            "mad_lo_cc": 3, "madc_lo": 3, "madc_lo_cc": 3, "madc_hi": 3, "madc_hi_cc": 3}  # fmt: skip
"""The same, with the carry bit, of 32 bits."""
APPROXIMATE = {"approx", "full"}
PARAMETER = re.compile(
    r"\.param\s+(?:\.align\s+\d+\s+)?\.(\w+)\s+(?:\.ptr\s+(?:\.\w+\s+)?(?:\.align\s+\d+\s+)?)?([\w$]+)(?:\[(\d+)\])?"
)
FUNCTION = re.compile(
    r"^(?:\.visible |\.weak |\.extern )*\.(entry|func)\s*(?:\(([^)]*)\))?\s*([\w$]+)\s*\(([^)]*)\)"
    r"((?:\s*\.\w+[^\n{;]*)*)\s*([{;])",
    re.M,
)


class Unknown(Exception):
    """An instruction that the emulator does not know."""


def refuse(path: Path, line: int, text: str) -> NoReturn:
    raise SystemExit(f"{path}: line {line}: found {text!r}, which the emulator does not know")


def size_of(kind: str, count: str | None) -> int:
    return int(kind[1:]) // 8 * int(count or 1)


def as_type(to: str, c_type: str, value: str) -> str:
    """A value of a type that need not be known, read as another: as ``read`` of the emulator does."""
    if to == c_type:
        return value
    return f"static_cast<{to}>({value})" if "int" in to and "int" in c_type else f"read<{to}>({value})"


def split(words: str) -> list[str]:
    """Operands, which commas separate but for those between brackets."""
    return [word.strip() for word in re.split(r",(?![^{\[(]*[}\])])", words) if word.strip()]


@dataclass
class Function:
    kind: str
    name: str
    results: list[str]
    parameters: list[tuple[str, int]]  # name, bytes
    threads: int
    body: str
    line: int  # where its body begins in the file

    cpp: str = ""
    shared: int = 0  # bytes


@dataclass
class Module:
    path: Path
    constants: dict[str, str] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)


def parse(path: Path) -> tuple[Module, list[str]]:
    """The functions of a file, and the C++ of its constant arrays."""
    text = re.sub(r"//[^\n]*", "", path.read_text())
    module, lines = Module(path), []
    for found in re.finditer(r"^\.global \.align (\d+) \.b8 (\w+)\[(\d+)\] = \{([^}]*)\};", text, re.M):
        align, name, size, values = found.groups()
        module.constants[name] = f"constant_{name}"
        lines += [
            f"alignas({align}) const std::uint8_t constant_{name}[{size}] = {{{values}}};",
            f"const Constant known_{name}(constant_{name}, sizeof constant_{name});",
        ]
    at = 0
    while found := FUNCTION.search(text, at):
        kind, results, name, parameters, attributes, end = found.groups()
        at = found.end()
        if end == ";":
            continue
        depth, close = 1, at
        while depth:
            depth += {"{": 1, "}": -1}.get(text[close], 0)
            close += 1
        threads = re.search(r"\.maxntid (\d+)", attributes)
        for words in (results or "", parameters):
            if len(PARAMETER.findall(words)) != words.count(".param "):
                refuse(path, text.count("\n", 0, found.start()) + 1, words)
        module.functions[name] = Function(
            kind=kind,
            name=name,
            results=[one[1] for one in PARAMETER.findall(results or "")],
            parameters=[(one[1], size_of(one[0], one[2])) for one in PARAMETER.findall(parameters)],
            threads=int(threads[1]) if threads else 1024,
            body=text[at : close - 1],
            line=text.count("\n", 0, at) + 1,
            cpp=f"function_{len(module.functions)}",
        )
        at = close
    return module, lines


class Translator:
    """C++ of one function."""

    def __init__(self, module: Module, function: Function) -> None:
        self.module, self.function = module, function
        self.registers: dict[str, str] = {}  # and their C++ types
        # What names without % stand for: addresses.
        self.places = dict(module.constants)
        for number, (name, _) in enumerate(function.parameters):
            self.places[name] = f"arguments[{number}]" if function.kind == "entry" else f"argument_{number}"
        for number, name in enumerate(function.results):
            self.places[name] = f"result_{number}"

    def signature(self) -> str:
        f = self.function
        if f.kind == "entry":
            words = ["std::uint8_t* const* arguments"]
        else:
            words = [f"std::uint8_t* result_{i}" for i in range(len(f.results))]
            words += [f"std::uint8_t* argument_{i}" for i in range(len(f.parameters))]
        return f"void {f.cpp}({', '.join(['[[maybe_unused]] Thread& thread', *words])})"

    def translate(self) -> list[str]:
        out = [self.signature() + " {", "[[maybe_unused]] bool carry = false;"]
        statement, first = "", 0
        for number, line in enumerate(self.function.body.split("\n"), self.function.line):
            rest = line.strip()
            if not statement and re.match(r"\.(loc|file)\s", rest):  # where the source is: a line of its own
                continue
            while rest:
                if not statement and (found := re.match(r"[{}]|[\w$]+:(?!:)", rest)):
                    out.append(found[0] if found[0] in "{}" else self.label(found[0][:-1]) + ":;")
                    rest = rest[found.end() :].strip()
                    continue
                first = first if statement else number
                part, end, rest = rest.partition(";")
                statement, rest = f"{statement} {part}".strip(), rest.strip()
                if end:
                    out.append(self.statement(statement, first))
                    statement = ""
        if statement:
            refuse(self.module.path, first, statement)
        return [*out, "}"]

    def statement(self, text: str, line: int) -> str:
        if text.startswith("."):
            return self.declaration(text, line)
        guard = ""
        if found := re.match(r"@(!?)(%\w+)\s+(.*)", text):
            guard, text = f"if ({found[1]}{self.variable(found[2])}) ", found[3]
        mnemonic, *rest = text.split(None, 1)
        try:
            code = self.instruction(mnemonic.split("."), split(rest[0]) if rest else [], line)
        except (Unknown, KeyError, ValueError):
            code = f'thread.line = {line}; unknown_instruction(thread, "{text}");'
        # (Where nothing is declared, no scope of its own, which the compiler would keep.)
        return f"{guard}{{ {code} }}" if guard or "const " in code else code

    # ---- names --------------------------------------------------------------------------------------------

    def label(self, name: str) -> str:
        return "to_" + name.replace("$", "_")

    def variable(self, register: str) -> str:
        if register not in self.registers:
            raise Unknown(register)
        return "r_" + register[1:]

    def read(self, operand: str, kind: str) -> str:
        """The value of a register, a constant or the address of a name."""
        c_type = C_TYPES[kind]
        if operand in SPECIAL:
            return f"static_cast<{c_type}>({SPECIAL[operand]})"
        if operand.startswith(("%", "!%")):
            register = operand.lstrip("!")
            value = self.variable(register)
            return "!" * operand.startswith("!") + as_type(c_type, self.registers[register], value)
        if operand in self.places:
            return as_type(c_type, C_TYPES["u64"], f"place({self.places[operand]})")
        if operand.startswith(("0d", "0f")):
            return f"bits<{c_type}>(0x{operand[2:]}ULL)"
        value = int(operand, 0)
        if kind == "pred":
            return "true" if value else "false"
        if kind.startswith("f"):
            raise ValueError(operand)
        number = f"0x{value % 2 ** int(kind[1:]):x}{'ull' if kind.endswith('64') else 'u'}"
        return number if kind in ("b32", "u32", "b64", "u64") else f"static_cast<{c_type}>({number})"

    def write(self, register: str, value: str, c_type: str = "") -> str:
        """A value of a type, which need not be known."""
        variable, to = self.variable(register), self.registers[register]
        return f"{variable} = {as_type(to, c_type, value)};"

    def address(self, operand: str) -> str:
        found = re.fullmatch(r"\[\s*([^\]+\s]+)\s*(?:\+\s*(-?\d+))?\s*\]", operand)
        if not found:
            raise Unknown(operand)
        return f"{self.read(found[1], 'u64')} + static_cast<std::uint64_t>({found[2] or 0}LL)"

    # ---- declarations -------------------------------------------------------------------------------------

    def declaration(self, text: str, line: int) -> str:
        found = re.match(r"\.reg\s+\.(\w+)\s+(.*)", text)
        if found and found[1] in C_TYPES:
            names = []
            for word in split(found[2]):
                several = re.fullmatch(r"(.+)<(\d+)>", word)
                names += [f"{several[1]}{i}" for i in range(int(several[2]))] if several else [word]
            # (A name without % is declared by nvcc and not used.)
            names = [name for name in names if name.startswith("%")]
            self.registers.update(dict.fromkeys(names, C_TYPES[found[1]]))
            names = [self.variable(name) for name in names]
            return f"[[maybe_unused]] {C_TYPES[found[1]]} {', '.join(names)};" if names else ""
        if found := re.match(r"\.(shared|local|param)\s+(?:\.align\s+(\d+)\s+)?\.(\w+)\s+([\w$]+)(?:\[(\d+)\])?", text):
            space, align, kind, name, count = found.groups()
            size = size_of(kind, count)
            if space == "shared":
                step = int(align or size)
                begin = -(-self.function.shared // step) * step
                self.places[name] = f"{SHARED_BEGIN + begin}u"
                self.function.shared = begin + size
                return ""
            self.places[name] = f"room_{name}"
            if space == "local":
                return f"Local room_{name}(thread, {size});"
            return f"alignas(16) std::uint8_t room_{name}[{size}];"
        if not text.startswith(".pragma"):
            refuse(self.module.path, line, text)
        return ""

    # ---- instructions -------------------------------------------------------------------------------------

    def instruction(self, words: list[str], operands: list[str], line: int) -> str:
        name, kind = words[0], words[-1]
        special: dict[str, Callable[[list[str], list[str], int], str]] = {
            "ld": self.load, "st": self.store, "atom": self.add_at, "call": self.call, "setp": self.compare,
            "cvt": self.convert,
        }  # fmt: skip
        if name in special:
            return special[name](words, operands, line)
        if name == "bra":
            return f"goto {self.label(operands[0])};"
        if name == "ret":
            return "return;"
        if name == "bar" and words[1] == "sync" and operands == ["0"]:
            return f"thread.line = {line}; barrier(thread);"
        if name == "mov":
            return self.move(kind, operands)
        if name == "cvta":  # one space of addresses for all
            return self.write(operands[0], self.read(operands[1], "u64"), C_TYPES["u64"])
        if name == "selp":
            chosen = f"{self.read(operands[3], 'pred')} ? {self.read(operands[1], kind)} : "
            return self.write(operands[0], chosen + self.read(operands[2], kind), C_TYPES[kind])
        if name in ("shl", "shr"):
            value = f"{name}<{C_TYPES[kind]}>({self.read(operands[1], kind)}, {self.read(operands[2], 'u32')})"
            return self.write(operands[0], value, C_TYPES[kind])
        if name in ("clz", "popc"):
            return self.write(operands[0], f"{name}({self.read(operands[1], kind.replace('b', 'u'))})")
        if name in ("mul", "mad") and words[1] == "wide":
            kinds = (kind, kind, WIDER[kind])
            values = [self.read(operand, k) for operand, k in zip(operands[1:], kinds, strict=False)]
            wide = C_TYPES[WIDER[kind]]
            return self.write(operands[0], f"{name}_wide<{wide}>({', '.join(values)})", wide)
        return self.operation(words, operands)

    def operation(self, words: list[str], operands: list[str]) -> str:
        name, kind = "_".join(word for word in words[:-1] if word not in {"rn", *APPROXIMATE}), words[-1]
        count = OPERATIONS.get(name) or CARRYING.get(name)
        if not count or len(operands) != count + 1:
            raise Unknown(name)
        if name in CARRYING:
            if kind not in ("b32", "s32", "u32"):
                raise Unknown(name)
            values = [self.read(operand, "u32") for operand in operands[1:]]
            return self.write(operands[0], f"do_{name}({', '.join([*values, 'carry'])})")
        if APPROXIMATE & set(words):
            values = [self.read(operand, kind) for operand in operands[1:]]
            return self.write(operands[0], f"approximate(do_{name}({', '.join(values)}))", C_TYPES[kind])
        return self.exact(name, kind, operands)

    def exact(self, name: str, kind: str, operands: list[str]) -> str:
        signs: dict[str, str] = {}
        if kind in ("f32", "f64"):
            signs = PLAIN_NUMBERS
        elif kind[1:] in ("32", "64"):
            signs = PLAIN
            kind = kind.replace("s", "u") if name in PLAIN else kind
        values = [self.read(operand, kind) for operand in operands[1:]]
        if name in signs:
            return self.write(operands[0], f" {signs[name]} ".join(values), C_TYPES[kind])
        return self.write(operands[0], f"do_{name}<{C_TYPES[kind]}>({', '.join(values)})", C_TYPES[kind])

    def move(self, kind: str, operands: list[str]) -> str:
        to, value = operands
        half = f"b{int(kind[1:]) // 2}" if kind != "pred" else ""
        if to.startswith("{"):
            low, high = split(to[1:-1])
            whole = self.read(value, kind)
            return (
                f"const auto whole = {whole}; {self.write(low, f'static_cast<{C_TYPES[half]}>(whole)')}"
                f" {self.write(high, f'static_cast<{C_TYPES[half]}>(whole >> {half[1:]})')}"
            )
        if value.startswith("{"):
            low, high = (self.read(word, half) for word in split(value[1:-1]))
            c_type = C_TYPES[kind]
            return self.write(to, f"static_cast<{c_type}>(static_cast<{c_type}>({high}) << {half[1:]} | {low})")
        return self.write(to, self.read(value, kind), C_TYPES[kind])

    def access(self, words: list[str], address: str, line: int) -> tuple[str, list[str], str]:
        """What goes before a load or store; the places of its elements; its space and C++ type."""
        if set(words[1:-1]) - {*SPACES, "nc", "v2", "v4"}:
            raise Unknown(words)
        space, c_type = next((word for word in words if word in SPACES), "generic"), C_TYPES[words[-1]]
        count = 4 if "v4" in words else 2 if "v2" in words else 1
        before = f"thread.line = {line}; const std::uint64_t at = {self.address(address)};"
        if space != "param":
            before += f" check_aligned(thread, at, {count} * sizeof({c_type}));"
        at = [f"at + {i} * sizeof({c_type})" for i in range(count)]
        return before, at, f"{'constant' if 'nc' in words else space}<{c_type}>"

    def load(self, words: list[str], operands: list[str], line: int) -> str:
        before, at, what = self.access(words, operands[1], line)
        registers = split(operands[0].strip("{}"))
        c_type = C_TYPES[words[-1]]
        loads = [self.write(to, f"load_{what}(thread, {one})", c_type) for to, one in zip(registers, at, strict=True)]
        return " ".join([before, *loads])

    def store(self, words: list[str], operands: list[str], line: int) -> str:
        before, at, what = self.access(words, operands[0], line)
        values = [self.read(one, words[-1]) for one in split(operands[1].strip("{}"))]
        stores = [f"store_{what}(thread, {one}, {value});" for one, value in zip(at, values, strict=True)]
        return " ".join([before, *stores])

    def add_at(self, words: list[str], operands: list[str], line: int) -> str:
        if words[-2] != "add" or not words[-1].startswith("f"):
            raise Unknown(words)
        before, at, what = self.access([*words[:-2], words[-1]], operands[1], line)
        return (
            f"{before} {self.write(operands[0], f'add_{what}(thread, {at[0]}, {self.read(operands[2], words[-1])})')}"
        )

    def call(self, _words: list[str], operands: list[str], _line: int) -> str:
        results = split(operands.pop(0)[1:-1]) if operands[0].startswith("(") else []
        arguments = split(operands[1][1:-1]) if len(operands) > 1 else []
        words = ["thread", *(self.places[name] for name in [*results, *arguments])]
        return f"{self.module.functions[operands[0]].cpp}({', '.join(words)});"

    def compare(self, words: list[str], operands: list[str], _line: int) -> str:
        kind, joined = words[-1], next((word for word in words[2:-1] if word in ("and", "or", "xor")), "")
        if "|" in operands[0] or len(words) != 3 + bool(joined):
            raise Unknown(words)
        values = [self.read(operand, kind) for operand in operands[1:3]]
        if words[1] in PLAIN_COMPARISONS:
            value = f"{values[0]} {PLAIN_COMPARISONS[words[1]]} {values[1]}"
        else:
            value = f"is_{words[1]}({', '.join(values)})"
        if joined:
            value = f"do_{joined}<bool>({value}, {self.read(operands[3], 'pred')})"
        return self.write(operands[0], value, "bool")

    def convert(self, words: list[str], operands: list[str], _line: int) -> str:
        *rounding, to, kind = words[1:]
        value = self.read(operands[1], kind)
        whole = {"rzi": "std::trunc", "rni": "std::nearbyint", "rmi": "std::floor", "rpi": "std::ceil"}
        if rounding and rounding[0] in whole:
            value = f"{whole[rounding.pop(0)]}({value})"
        if rounding not in ([], ["rn"]):
            raise Unknown(words)
        # (Numbers beyond an integer's range are something else in C++.)
        what = "convert" if kind.startswith("f") and not to.startswith("f") else "static_cast"
        return self.write(operands[0], f"{what}<{C_TYPES[to]}>({value})", C_TYPES[to])


def translate(path: Path) -> str:
    module, constants = parse(path)
    translators = [Translator(module, function) for function in module.functions.values()]
    bodies = [line for translator in translators for line in translator.translate()]
    kernels = [
        f'const Kernel kernel_{f.cpp}("{f.name}", {f.cpp}, {f.shared}, {f.threads}, '
        f"{{{', '.join(str(size) for _, size in f.parameters)}}});"
        for f in module.functions.values()
        if f.kind == "entry"
    ]
    return "\n".join(
        [
            f"// Made from {path.name} by translate_ptx.py.",
            '#include "emulator.hpp"',
            "namespace emulator {",
            "namespace {",
            *constants,
            *(translator.signature() + ";" for translator in translators),
            *bodies,
            *kernels,
            "}",
            "}",
            "",
        ]
    )


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(translate(Path(sys.argv[1])))
