#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads the C ABI's header, and makes or checks what is written about it.

    reference.py                    prints docs/c-abi.md
    reference.py --examples         prints the C program that all examples of the header are
    reference.py --check            fails when docs/c-abi.md is not what the header says, or when the header leaves something out
    reference.py --shapes PAYLOADS  fails when results that the program of --examples wrote down have other members than the
                                    header's shapes of them, or when one of the shapes was in none
    --header FILE, --page FILE      other files than those of this tree
"""
import argparse
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
KEYS = ("Completes with:", "Errors:", "Example:")
SECTION = re.compile(r"/\* ---- (.*?) -+ \*/\n?")
DOCUMENT = "a profile's document"

PRELUDE = r"""// SPDX-License-Identifier: Apache-2.0
// Made from sandboxkit.h by capi/reference.py: its examples, in its order.
#include <sandboxkit.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static sbk_queue *queue;
static sbk_event *event, *exported;
static sbk_operation *operation;
static sbk_engine_options options;
static sbk_engine *engine, *other_engine;
static sbk_client *client;
static sbk_session_options start;
static sbk_command *command, *shell;
static sbk_process *process, *attached, *terminal;
static char profile[64], copy[64], proposal[64], job[64], session[64], process_id[64], request[64];
static int64_t number, revision;
static size_t size;
static int completed;

// What the results should look like, by the tag of their operation; and where they are written down.
static const char *shapes[256];
static FILE *payloads;

static sbk_status expect(uint64_t tag, const char *shape, sbk_status submitted) {
    shapes[tag % 256] = shape;
    return submitted;
}

static sbk_status taken(sbk_event **place, sbk_status status) {
    if (status == SBK_OK && payloads) {
        const char *text = sbk_event_json(*place, NULL);
        const char *shape = shapes[sbk_event_tag(*place) % 256];
        fprintf(payloads, "%d\t%d\t%s\t%s\n", (int)sbk_event_get_kind(*place), (int)sbk_event_status(*place),
                shape ? shape : "", text ? text : "");
    }
    return status;
}
#define sbk_queue_next(event, queue, timeout_ms) taken(event, sbk_queue_next(event, queue, timeout_ms))
@MACROS@

static void check(sbk_status status) {
    if (status == SBK_OK) return;
    fprintf(stderr, "%s\n", sbk_status_name(status));
    exit(1);
}

// The completion of the operation with this tag, which has to be good, or cancelled. Frees the events before it.
static sbk_event *completion(sbk_queue *from, uint64_t tag) {
    sbk_event *next;
    for (;;) {
        check(sbk_queue_next(&next, from, 120 * 1000));
        if (sbk_event_get_kind(next) == SBK_EVENT_COMPLETION && sbk_event_tag(next) == tag) break;
        sbk_event_free(next);
    }
    if (sbk_event_status(next) != SBK_OK && sbk_event_status(next) != SBK_CANCELLED) {
        fprintf(stderr, "operation %d: %s\n", (int)tag, sbk_event_json(next, NULL));
        exit(1);
    }
    return next;
}

static void copy_text(char *to, size_t capacity, const sbk_event *from, const char *pointer) {
    const char *text = sbk_event_text(from, pointer, SBK_NUL, NULL);
    snprintf(to, capacity, "%s", text ? text : "");
}

int main(int count, char **arguments) {
    if (count > 1 && !(payloads = fopen(arguments[1], "w"))) return 1;
@EXAMPLES@
    if (payloads && fclose(payloads) != 0) return 1;
    puts("every example of the header ran");
    return 0;
}
"""


class Function:
    def __init__(self, name, prototype, comment):
        self.name, self.prototype = name, prototype
        self.parts = {}
        key = "text"
        for line in comment:
            found = next((k for k in KEYS if line.startswith(k)), None)
            if found:
                key, line = found, line[len(found):].strip()
            self.parts.setdefault(key, [])
            if line or self.parts[key]:
                self.parts[key].append(line)
        inside = prototype[prototype.index(name + "(") + len(name) + 1: prototype.rindex(")")]
        self.parameters = [] if inside == "void" else [" ".join(p.split()) for p in inside.split(",")]
        self.submits = bool(self.parameters) and self.parameters[0] == "sbk_operation **operation"

    def part(self, key):
        return " ".join(self.parts.get(key, [])).strip()

    def example(self):
        return [line[4:] for line in self.parts.get("Example:", [])]

    def shape(self):
        """What it completes with, as --examples writes it down: a shape's name or JSON, "none", or "any"."""
        text = self.part("Completes with:")
        if text.startswith("no JSON"):
            return "none"
        if text.startswith(DOCUMENT):
            return "any"
        if text.startswith(("[", "{")):
            return balanced(text)
        return re.match(r"\w*", text).group()

    def rules(self):
        """Ownership and threads, as the header's conventions give them for a function like this."""
        first = self.parameters[0] if self.parameters else ""
        if self.name.endswith("_free"):
            return "Takes the object back; NULL is allowed. No other thread may use it in or after this call."
        if self.submits:
            return ("Submits, from any thread: copies what it is given and returns at once. `operation` may be NULL; else what "
                    "comes back is yours: `sbk_operation_free`.")
        if re.match(r"sbk_(client|command)_(add|set)_", self.name):
            return "Sets the object up, before other threads see it. What it is given is copied."
        place = re.match(r"(sbk_\w+) \*\*(\w+)$", first)
        if place:
            return f"From any thread. `{place.group(2)}` is yours: `{place.group(1)}_free`."
        if re.match(r"const \w+ \*", self.prototype.replace("SBK_API ", "")):
            lender = "lives as long as the event" if "_event_" in self.name else "lives for ever"
            return f"From any thread. What it returns is borrowed: it {lender}."
        return "From any thread."


class Header:
    def __init__(self, text):
        text = re.sub(r"^//.*\n", "", text)
        opening = re.match(r"/\*\n(.*?)\*/\n", text, re.DOTALL)
        lines = [re.sub(r"^ \* ?", "", line) for line in opening.group(1).splitlines()]
        conventions, results = lines.index("Conventions"), next(i for i, l in enumerate(lines) if l.startswith("Results"))
        self.about = " ".join(lines[:conventions]).strip()
        self.conventions = items(lines[conventions + 1: results])
        self.results = lines[results + 2:]
        self.shapes = named_shapes(self.results)
        body = text[opening.end():]
        body = body[body.index("/* The version of this header"): body.rindex("#ifdef __cplusplus")]
        self.sections = [("Values and objects", [])]
        self.stray = []  # public functions without a comment
        for chunk in re.split(r"\n\n+", body):
            self.read(chunk.strip("\n"))

    def read(self, chunk):
        header = SECTION.match(chunk)
        if header:
            self.sections.append((header.group(1), []))
            chunk = chunk[header.end():]
        if not chunk:
            return
        things = self.sections[-1][1]
        comment, code = [], chunk
        found = re.match(r"/\*(.*?)\*/(?:\n|$)", chunk, re.DOTALL)
        if found:
            comment = [re.sub(r"^ \* ?", "", line).rstrip() for line in found.group(1).splitlines()]
            comment[0] = comment[0].strip()
            comment = comment[:-1] if comment[-1].strip() in ("", "*") else comment
            code = chunk[found.end():]
        names = re.findall(r"^SBK_API [^;\n]*?\b(sbk_\w+)\(", code, re.MULTILINE)
        if not names:
            things.append((" ".join(comment), code))
            return
        if not comment or len(names) > 1:
            self.stray += names if not comment else names[1:]
        for name in names[:1]:
            things.append(Function(name, code.split(";")[0], comment))

    def functions(self):
        return [thing for _, things in self.sections for thing in things if isinstance(thing, Function)]


def items(lines):
    """A numbered list: (number, text) each."""
    found = []
    for line in lines:
        start = re.match(r" ?(\d+)\. (.*)", line)
        if start:
            found.append([start.group(1), start.group(2)])
        elif line.strip():
            found[-1][1] += " " + line.strip()
    return found


def balanced(text):
    """The JSON, with names of shapes in it, that the text begins with."""
    depth, quoted = 0, False
    for i, c in enumerate(text):
        if c == '"':
            quoted = not quoted
        depth += 0 if quoted else (c in "[{") - (c in "]}")
        if depth == 0:
            return text[: i + 1]
    raise ValueError(f"JSON without an end: {text}")


def shape_of(text):
    """A shape as a value, a name of another in it being "@Name"."""
    return json.loads(re.sub(r'"[^"]*"|\b[A-Z]\w*', lambda m: m.group() if m.group()[0] == '"' else f'"@{m.group()}"', text))


def named_shapes(lines):
    joined, shapes = "\n".join(lines), {}
    for found in re.finditer(r"^([A-Z]\w+) +(?=\{)", joined, re.MULTILINE):
        shapes[found.group(1)] = shape_of(balanced(" ".join(joined[found.end():].split())))
    return shapes


def event_shapes(text):
    """The JSON of events that are no completions, by the number of their kind; of requests, by what is asked."""
    kinds = {}
    for name, number, comment in re.findall(r"(SBK_EVENT_\w+) = (\d+),?\s*/\*(.*?)\*/", text, re.DOTALL):
        if name != "SBK_EVENT_COMPLETION" and "{" in comment:
            kinds[int(number)] = shape_of(balanced(" ".join(comment[comment.index("{"):].replace(" * ", " ").split())))
    requests = {}
    for found in re.finditer(r'\{"request": "(\w+)"', text):
        requests[found.group(1)] = shape_of(balanced(" ".join(text[found.start():].replace("\n *", "\n").split())))
    return kinds, requests


def markdown(text, names):
    """With links to the functions that it names."""
    def mark(found):
        name = found.group()
        if name.startswith("`"):
            return name
        if name == "<":
            return "&lt;"
        return f"[`{name}`](#{name})" if name in names else f"`{name}`"
    return re.sub(r"`[^`]*`|<|\b(?:sbk|SBK)_\w*[a-zA-Z0-9]\b", mark, text)


def paragraphs(lines, names):
    """Text, and what is set in by two spaces as it is."""
    out, block = [], []
    for line in [*lines, ""]:
        if line.startswith("  "):
            block.append(line[2:])
            continue
        if block:
            out += ["```text", *block, "```"]
            block = []
        out.append(markdown(line, names))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).strip()


def completes(function, names):
    """What a function completes with, its JSON as code."""
    text, shape = function.part("Completes with:"), function.shape()
    if shape in ("none", "any"):
        return markdown(text, names)
    if not text.startswith(shape):
        raise ValueError(f"{function.name}: {text}")
    return f"`{shape}`{markdown(text[len(shape):], names)}"


def page(header):
    names = {f.name for f in header.functions()}
    out = ["# The C ABI", "", header.about, "",
           "This page is made from [sandboxkit.h](../capi/include/sandboxkit.h) by `capi/reference.py > docs/c-abi.md`. Programs "
           "that use it are in [examples/c](../examples/c), and in [Go](../examples/go), [Rust](../examples/rust) and "
           "[Node.js](../examples/node).", "",
           "The examples are one C program, in this order, which is run as a test (`capi/reference.py --examples` prints it). "
           "In them `check(status)` ends the program unless it is `SBK_OK`, `completion(queue, tag)` takes events until the good "
           "completion of that operation, and `copy_text(to, capacity, event, pointer)` keeps a string of its JSON.", "",
           " · ".join(f"[{title}](#{title.lower().replace(' ', '-')})"
                      for title in ("Conventions", "Results", *(title for title, _ in header.sections))), "",
           "## Conventions", ""]
    out += [f"{number}. {markdown(text, names)}" for number, text in header.conventions]
    out += ["", "## Results", "", "As the functions name them:", "", "```text", *header.results, "```", ""]
    for title, things in header.sections:
        out += [f"## {title}", ""]
        for thing in things:
            if not isinstance(thing, Function):
                text, code = thing
                out += [markdown(text, names), ""] if text else []
                out += ["```c", code, "```", ""] if code else []
                continue
            prototype = thing.prototype.replace("SBK_API ", "").replace("\n" + " " * len("SBK_API "), "\n")
            out += [f"### {thing.name}", "", "```c", prototype + ";", "```", ""]
            out += [paragraphs(thing.parts.get("text", []), names), ""]
            if thing.submits:
                out += [f"**Completes with**: {completes(thing, names)}", ""]
            if thing.part("Errors:"):
                out += [f"**Errors**: {markdown(thing.part('Errors:'), names)}", ""]
            out += [f"**Ownership and threads**: {thing.rules()}", "", "```c", *thing.example(), "```", ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).rstrip() + "\n"


def program(header):
    macros, blocks = [], []
    for f in header.functions():
        if f.submits:
            names = [re.search(r"\w+$", p).group() for p in f.parameters]
            call = f"{f.name}({', '.join(names)})"
            macros.append(f"#define {call} expect({names[2]}, {json.dumps(f.shape())}, {call})")
        blocks += [f"    {{ // {f.name}", *("        " + line for line in f.example()), "    }"]
    return PRELUDE.replace("@MACROS@", "\n".join(macros)).replace("@EXAMPLES@", "\n".join(blocks))


def check(header, page_text):
    for name in header.stray:
        yield f"{name} has no comment of its own"
    for f in header.functions():
        if not f.part("text"):
            yield f"{f.name}: its comment does not say what it does"
        if f.submits and not f.part("Completes with:"):
            yield f"{f.name}: submits, and has no 'Completes with:'"
        elif f.submits and f.shape() not in ("none", "any") and not known(f.shape(), header.shapes):
            yield f"{f.name}: completes with {f.shape()}, which is under no result"
        if not any(f.name + "(" in line for line in f.example()):
            yield f"{f.name}: has no 'Example:' that calls it"
    if page_text != page(header):
        yield "docs/c-abi.md is not what the header says; make it anew: capi/reference.py > docs/c-abi.md"


def known(shape, shapes):
    return set(re.findall(r'\b[A-Z]\w*', re.sub(r'"[^"]*"', "", shape))) <= set(shapes) and bool(re.search(r"\w", shape))


def compare(value, shape, where, shapes, seen):
    """The problems of a value against a shape; an absent value is null."""
    if value is None:
        return
    if isinstance(shape, str) and shape.startswith("@"):
        seen.add(shape[1:])
        yield from compare(value, shapes[shape[1:]], f"{where}({shape[1:]})", shapes, seen)
    elif isinstance(shape, dict):
        if not isinstance(value, dict):
            yield f"{where}: {json.dumps(value)} is no object"
        elif len(shape) == 1 and next(iter(shape)).startswith("<"):
            for name, member in value.items():
                yield from compare(member, next(iter(shape.values())), f"{where}/{name}", shapes, seen)
        elif shape:
            for name in sorted(shape.keys() - value.keys()):
                yield f"{where}: the member {name} of the header is missing"
            for name in sorted(value.keys() - shape.keys()):
                yield f"{where}: the member {name} is not in the header"
            for name in shape.keys() & value.keys():
                yield from compare(value[name], shape[name], f"{where}/{name}", shapes, seen)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{where}: {json.dumps(value)} is no list"
        elif shape:
            for i, element in enumerate(value):
                yield from compare(element, shape[0], f"{where}/{i}", shapes, seen)
    elif shape is not None and type(value) is not type(shape):
        yield f"{where}: {json.dumps(value)} is of another type than {json.dumps(shape)}"


def check_shapes(header, text, payloads):
    kinds, requests = event_shapes(text)
    seen, seen_kinds, results = set(), set(), 0
    for line in payloads.splitlines():
        kind, status, name, payload = line.split("\t", 3)
        kind, value = int(kind), json.loads(payload) if payload else None
        results += kind == 1
        seen_kinds.add(kind)
        if kind == 1 and int(status) != 0:
            shape = "@Error"
        elif kind == 1 and name == "none":
            if payload:
                yield f"there should be no JSON, and there is {payload}"
            continue
        elif kind == 1:
            shape = None if name == "any" else shape_of(name)
        elif kind == 6:
            shape = requests.get(value["request"], {})
        else:
            shape = kinds.get(kind)
        if kind == 1 and value is None:
            yield f"a result that should be {name} is absent"
        yield from compare(value, shape, f"event {kind} {name}", header.shapes, seen)
    for name in sorted(header.shapes.keys() - seen):
        yield f"no result had a {name} in it: nothing holds its shape to what is true"
    for kind in sorted({*kinds, 6} - seen_kinds):
        yield f"no event was of kind {kind}: nothing holds its shape to what is true"
    if results < 60:
        yield f"only {results} results were written down"


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--shapes", metavar="PAYLOADS", type=pathlib.Path)
    parser.add_argument("--header", type=pathlib.Path, default=ROOT / "capi/include/sandboxkit.h")
    parser.add_argument("--page", type=pathlib.Path, default=ROOT / "docs/c-abi.md")
    options = parser.parse_args(arguments)
    text = options.header.read_text(encoding="utf-8")
    header = Header(text)
    if options.examples:
        print(program(header), end="")
        return 0
    if options.check:
        problems = list(check(header, options.page.read_text(encoding="utf-8") if options.page.exists() else ""))
    elif options.shapes:
        problems = list(check_shapes(header, text, options.shapes.read_text(encoding="utf-8")))
    else:
        print(page(header), end="")
        return 0
    for problem in problems:
        print(problem)
    print(f"{len(header.functions())} functions and {len(header.shapes)} shapes, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
