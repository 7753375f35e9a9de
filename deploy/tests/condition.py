"""The expressions in `if` of a processor: the part of Painless that the pipelines use.

    ctx.a?.b.c   literals   == != < <= > >=   && || !   ( )   .contains(x)   .length()

Painless itself cannot run here. What is modelled: null-safe and plain navigation (the plain
one fails on null, as in Painless), equality of numbers, strings, booleans and null, order of
numbers. Anything else raises Unsupported, so that a pipeline cannot use what is not tested.
"""

import re

TOKEN = re.compile(
    r"\s*(?:(?P<num>-?\d+)|'(?P<str>[^']*)'|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<op>\?\.|==|!=|<=|>=|&&|\|\||[.()!<>]))"
)


class Unsupported(Exception):
    """The expression uses what this model does not have."""


class Thrown(Exception):
    """Painless throws here: a plain `.` on null, or a key of what is no map."""


def tokens(text):
    """Splits an expression; raises Unsupported at the first thing it does not know."""
    out, at = [], 0
    while at < len(text.rstrip()):
        match = TOKEN.match(text, at)
        if not match:
            raise Unsupported(f"at {at}: {text[at:at + 20]!r} in {text!r}")
        kind = match.lastgroup
        out.append((kind, match.group(kind)))
        at = match.end()
    return out


class Parser:
    """Recursive descent over the tokens; evaluates as it goes."""

    def __init__(self, text, ctx):
        self.text, self.ctx = text, ctx
        self.items, self.at = tokens(text), 0
        self.skipping = 0

    def peek(self):
        return self.items[self.at] if self.at < len(self.items) else (None, None)

    def take(self, op):
        if self.peek() == ("op", op):
            self.at += 1
            return True
        return False

    def expect(self, op):
        if not self.take(op):
            raise Unsupported(f"{op!r} expected in {self.text!r}")

    def run(self):
        value = self.either()
        if self.at != len(self.items):
            raise Unsupported(f"trailing {self.items[self.at:]} in {self.text!r}")
        return self.truth(value)

    def truth(self, value):
        if self.skipping:
            return False
        if not isinstance(value, bool):
            raise Unsupported(f"a condition must be boolean, not {value!r}: {self.text!r}")
        return value

    def either(self):
        value = self.both()
        while self.take("||"):
            value = self.short_circuit(value, True, self.both)
        return value

    def both(self):
        value = self.negation()
        while self.take("&&"):
            value = self.short_circuit(value, False, self.negation)
        return value

    def short_circuit(self, value, decided, parse):
        if self.truth(value) == decided or self.skipping:
            self.skipping += 1
            parse()
            self.skipping -= 1
            return value
        return self.truth(parse())

    def negation(self):
        if self.take("!"):
            value = self.negation()
            return None if self.skipping else not self.truth(value)
        return self.comparison()

    def comparison(self):
        left = self.operand()
        kind, op = self.peek()
        if kind != "op" or op not in ("==", "!=", "<", "<=", ">", ">="):
            return left
        self.at += 1
        right = self.operand()
        if self.skipping:
            return None
        if op in ("==", "!="):
            same = left == right and isinstance(left, bool) == isinstance(right, bool)
            return same if op == "==" else not same
        for side in (left, right):
            if side is None:
                raise Thrown(self.text)
            if isinstance(side, bool) or not isinstance(side, (int, float)):
                raise Unsupported(f"order of {side!r} in {self.text!r}")
        return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[op]

    def operand(self):
        kind, value = self.peek()
        self.at += 1
        if kind == "num":
            return int(value)
        if kind == "str":
            return value
        if (kind, value) == ("op", "("):
            inner = self.either()
            self.expect(")")
            return inner
        if kind == "name" and value in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[value]
        if (kind, value) == ("name", "ctx"):
            return self.navigate(self.ctx)
        raise Unsupported(f"{value!r} in {self.text!r}")

    def navigate(self, value):
        while True:
            if self.take("?."):
                safe = True
            elif self.take("."):
                safe = False
            else:
                return value
            kind, name = self.peek()
            if kind != "name":
                raise Unsupported(f"name expected in {self.text!r}")
            self.at += 1
            arguments = None
            if self.take("("):
                arguments = [] if self.peek() == ("op", ")") else [self.operand()]
                self.expect(")")
            if self.skipping:
                value = None
            elif value is None:
                if not safe:
                    raise Thrown(f".{name} on null in {self.text!r}")
            else:
                value = self.member(value, name, arguments)

    def member(self, value, name, arguments):
        if arguments is None:
            if not isinstance(value, dict):
                raise Thrown(f".{name} of {type(value).__name__} in {self.text!r}")
            return value.get(name)
        if name == "contains" and isinstance(value, (list, str)):
            return arguments[0] in value
        if name == "length" and isinstance(value, str):
            return len(value)
        raise Unsupported(f".{name}() of {type(value).__name__} in {self.text!r}")


def holds(text, ctx):
    """Whether the condition is true for the document."""
    return Parser(text, ctx).run()
