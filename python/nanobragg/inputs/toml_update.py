"""A TOML file with some values changed, and all its comments, order and layout kept (``specs/config.md``).

tomlkit reads the file without losing a character. Only the lists of keys and items that it makes are edited here:
its own ways to add and remove keys would put them behind the next section's comment, and drop theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nanobragg.errors import InputError

if TYPE_CHECKING:
    from tomlkit import TOMLDocument
    from tomlkit.items import AoT, Array, InlineTable, Item, Key, Table

    Entry = tuple[Key | None, Item]
    Body = list[Entry]


def update_toml(text: str, changes: Mapping[str, str | None], name: str) -> str:
    """``text`` with values replaced, added, or commented out.

    Args:
        text: a TOML file.
        changes: by key (``key``, or ``section.key``), in the order in which new ones are added: the value as TOML, or
            ``None`` to comment out the line that sets it.
        name: of the file, for errors.

    Raises:
        InputError: when tomlkit cannot read the file.

    """
    newline = "\r\n" if "\r\n" in text else "\n"
    if text and not text.endswith("\n"):
        text += newline
    return _Update(_document(text, name), changes, newline).text()


def without_table(text: str, table: str, name: str) -> str:
    """``text`` without a table, those below it, and the comments in them; errors as for :func:`update_toml`."""
    document = _document(text, name)
    document.body[:] = [(key, item) for key, item in document.body if key is None or key.key != table]
    return document.as_string()


def _document(text: str, name: str) -> TOMLDocument:
    import tomlkit

    try:
        return tomlkit.parse(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}: found {str(error)[:120]}, expected TOML that can be changed in place") from error


class _Update:
    """One file in the making."""

    def __init__(self, document: TOMLDocument, changes: Mapping[str, str | None], newline: str) -> None:
        self.document, self.newline = document, newline
        self.left = dict(changes)
        """Changes that have found no place yet."""

    def text(self) -> str:
        self._change(self.document.body, ())
        added = {place: value for place, value in self.left.items() if value is not None}
        self._add_at_top({place: value for place, value in added.items() if "." not in place})
        sections: dict[str, dict[str, str]] = {}
        for place, value in added.items():
            if "." in place:
                section, key = place.split(".")
                sections.setdefault(section, {})[key] = value
        new = [section for section, values in sections.items() if not self._add_to_section(section, values)]
        text = self.document.as_string()
        for section in new:
            lines = [f"[{section}]", *(f"{key} = {value}" for key, value in sections[section].items())]
            text += self.newline * bool(text) + self.newline.join(lines) + self.newline
        return text

    # ---- keys that are there ------------------------------------------------------------------------------

    def _change(self, body: Body, above: tuple[Key, ...]) -> None:
        """Carry out the changes of the keys of ``body``, which stand below the keys ``above``."""
        from tomlkit.items import AoT, InlineTable, Table

        changed: Body = []
        for key, item in body:
            if key is None:
                changed.append((key, item))
            elif isinstance(item, InlineTable):
                self._change_inline(key.key, item)
                changed.append((key, item))
            elif isinstance(item, Table):
                inner = item.value.body
                self._change(inner, (key,))
                if key.is_dotted() and all(k is None for k, _ in inner):
                    changed += inner
                else:
                    changed.append((key, item))
            elif isinstance(item, AoT):
                parts = self._change_tables((*above, key), item)
                # Below the header of another table they would be that table's.
                at = _first_header(changed) if parts[-1:] != [(key, item)] else len(changed)
                changed[at:at] = parts
            else:
                changed += self._change_value((*above, key), item)
        body[:] = changed

    def _change_value(self, keys: tuple[Key, ...], item: Item) -> Body:
        place, key = ".".join(k.key for k in keys), keys[-1]
        if place not in self.left:
            return [(key, item)]
        value = self.left.pop(place)
        dotted = len(keys) > 1 and keys[0].is_dotted()
        assignment = "".join(
            (
                item.trivia.indent,
                ".".join(k.as_string() for k in (keys if dotted else (key,))),
                key.sep,
                item.as_string(),
            )
        )
        if value is None:
            return self._commented_out(assignment + item.trivia.comment_ws + item.trivia.comment)
        new = _parsed_item(value)
        if _replace_elements(item, new):
            return [(key, item)]
        # A list of another length, whose elements have comments, is kept for them.
        lost = self._commented_out(assignment) if _is_array(item) and "#" in item.as_string() else []
        for part in ("indent", "comment_ws", "comment", "trail"):
            setattr(new.trivia, part, getattr(item.trivia, part))
        return [*lost, (key, new)]

    def _change_tables(self, keys: tuple[Key, ...], item: AoT) -> Body:
        """An array of tables becomes an array on one line, with the old one above, commented out."""
        place, key = ".".join(k.key for k in keys), keys[-1]
        if place not in self.left:
            return [(key, item)]
        value = self.left.pop(place)
        tables = [f"[[{place}]]{self.newline}{table.as_string()}" for table in item]
        lost = self._commented_out("".join(tables).rstrip())
        return lost + (
            [] if value is None else self._parsed(f"{key.as_string()} = {value}{self.newline}{self.newline}")
        )

    def _change_inline(self, section: str, table: InlineTable) -> None:
        for key in list(table):
            place = f"{section}.{key}"
            if place not in self.left:
                continue
            value = self.left.pop(place)
            if value is None:
                del table[key]
            else:
                table[key] = _parsed_item(value)

    def _commented_out(self, line: str) -> Body:
        parts = (part.removesuffix("\r") for part in line.split("\n"))
        return self._parsed("".join(f"# {part}{self.newline}" for part in parts))

    # ---- keys that are new --------------------------------------------------------------------------------

    def _add_at_top(self, values: Mapping[str, str]) -> None:
        if not values:
            return
        body = self.document.body
        first = _first_header(body)
        last = _last_key(body[:first])
        lines = [f"{key} = {value}" for key, value in values.items()]
        if last is None:
            # Before the comment of the first section, and after the file's own.
            last = next((i for i in reversed(range(first)) if _is_blank_line(body[i])), first - 1)
            lines += [""] * (first < len(body))
        body[last + 1 : last + 1] = self._parsed("".join(line + self.newline for line in lines))

    def _add_to_section(self, section: str, values: Mapping[str, str]) -> bool:
        """Whether there is such a section."""
        from tomlkit.items import InlineTable, Table

        body = self.document.body
        found = [(i, key, item) for i, (key, item) in enumerate(body) if key is not None and key.key == section]
        if not found:
            return False
        at, key, item = found[-1]
        if isinstance(item, InlineTable):
            for name, value in values.items():
                item[name] = _parsed_item(value)
        elif key.is_dotted():
            lines = "".join(f"{section}.{name} = {value}{self.newline}" for name, value in values.items())
            body[at + 1 : at + 1] = self._parsed(lines)
        elif isinstance(item, Table):
            self._add_to_table(item, values)
        return True

    def _add_to_table(self, table: Table, values: Mapping[str, str]) -> None:
        body = table.value.body
        # What stands below the header of a table of the section's is that table's.
        first = _first_header(body)
        last = _last_key(body[:first])
        indent = "" if last is None else body[last][1].trivia.indent
        at = 0 if last is None else last + 1
        body[at:at] = self._parsed("".join(f"{indent}{key} = {value}{self.newline}" for key, value in values.items()))

    @staticmethod
    def _parsed(text: str) -> Body:
        import tomlkit

        return list(tomlkit.parse(text).body)


def _parsed_item(value: str) -> Item:
    import tomlkit

    document: Body = tomlkit.parse(f"value = {value}\n").body
    return document[0][1]


def _replace_elements(item: Item, new: Item) -> bool:
    """Put the elements of a list into another of the same length; whether these are such lists."""
    from tomlkit.items import Array

    if not isinstance(item, Array) or not isinstance(new, Array) or len(item) != len(new):
        return False
    for position, value in enumerate(new):
        if not _same(item[position], value):
            item[position] = value
    return True


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        # Python compares whole numbers and floats exactly; -0.0 is another value than 0.0.
        return a == b and repr(float(a)) == repr(float(b))
    return a == b


def _is_array(item: Item | Array) -> bool:
    from tomlkit.items import Array

    return isinstance(item, Array)


def _has_header(key: Key | None, item: Item) -> bool:
    from tomlkit.items import AoT, Table

    return key is not None and isinstance(item, (AoT, Table)) and not key.is_dotted()


def _first_header(body: Body) -> int:
    return next((i for i, (key, item) in enumerate(body) if _has_header(key, item)), len(body))


def _is_blank_line(entry: Entry) -> bool:
    from tomlkit.items import Whitespace

    return isinstance(entry[1], Whitespace) and "\n" in entry[1].as_string()


def _last_key(body: Body) -> int | None:
    return next((i for i in reversed(range(len(body))) if body[i][0] is not None), None)
