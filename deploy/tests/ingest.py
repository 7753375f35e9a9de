"""A model of Elasticsearch's ingest processors, for those that the pipelines use.

It runs the JSON files that ship: what is tested is what is installed. Each processor follows
its documentation and the behaviour of its Java source where that is finer (dotted paths,
`copy_from` with `ignore_empty_value`, `dot_expander` without its field, Java's split). An
option or a processor that is not modelled raises Unsupported. Not modelled: the bytes of a
fingerprint (it is a digest of the same input), Painless beyond condition.py, Joni's regular
expressions beyond what Python's `re` has in common with them.
"""

import base64
import copy
import hashlib
import ipaddress
import json
import re

from condition import Thrown, Unsupported, holds

COMMON = {"if", "ignore_failure", "on_failure", "description", "tag"}
MISSING = object()
ABSENT = object()


class Failure(Exception):
    """What a processor throws; goes to on_failure."""


class Document:
    """A document under way: its source and the metadata of this run."""

    def __init__(self, source, timestamp="2026-11-21T03:00:00.000Z"):
        self.source = copy.deepcopy(source)
        self.ingest = {"timestamp": timestamp}

    def _root(self, path):
        parts = path.split(".")
        if parts[0] == "_ingest":
            return self.ingest, parts[1:]
        return self.source, parts

    def get(self, path, default=MISSING):
        """The value at a dotted path; Failure if it is not there and no default is given."""
        at, parts = self._root(path)
        for part in parts:
            if isinstance(at, dict) and part in at:
                at = at[part]
            elif isinstance(at, list) and part.isdigit() and int(part) < len(at):
                at = at[int(part)]
            elif default is MISSING:
                raise Failure(f"field [{part}] not present as part of path [{path}]")
            else:
                return default
        return at

    def set(self, path, value):
        at, parts = self._root(path)
        for part in parts[:-1]:
            if isinstance(at, dict) and at.get(part) is None:
                at[part] = {}
            if not isinstance(at, dict):
                raise Failure(f"cannot set [{parts[-1]}] with parent object of type [{type(at).__name__}] as part of path [{path}]")
            at = at[part]
        if not isinstance(at, dict):
            raise Failure(f"cannot set [{parts[-1]}] with parent object of type [{type(at).__name__}] as part of path [{path}]")
        at[parts[-1]] = value

    def remove(self, path, ignore_missing=False):
        at, parts = self._root(path)
        for part in parts[:-1]:
            at = at.get(part) if isinstance(at, dict) else None
        if isinstance(at, dict) and parts[-1] in at:
            del at[parts[-1]]
        elif not ignore_missing:
            raise Failure(f"field [{path}] not present")

    def render(self, template):
        """Mustache, as far as `{{{field}}}` goes."""
        if not isinstance(template, str):
            return template

        def value(match):
            found = self.get(match.group(1), None)
            if found is None:
                return ""
            if isinstance(found, bool):
                return "true" if found else "false"
            return str(found)

        return re.sub(r"\{\{\{([^}]+)\}\}\}", value, template)


def process_set(doc, o, _):
    if "copy_from" in o:
        ignore = o.get("ignore_empty_value", False)
        value = copy.deepcopy(doc.get(o["copy_from"], None if ignore else MISSING))
    else:
        value, ignore = o["value"], o.get("ignore_empty_value", False)
        value = [doc.render(v) for v in value] if isinstance(value, list) else doc.render(value)
    if ignore and (value is None or value == ""):
        return
    if o.get("override", True) or doc.get(o["field"], None) is None:
        doc.set(o["field"], value)


def process_fail(doc, o, _):
    raise Failure(doc.render(o["message"]))


def process_rename(doc, o, _):
    if doc.get(o["field"], ABSENT) is ABSENT:
        if o.get("ignore_missing"):
            return
        raise Failure(f"field [{o['field']}] doesn't exist")
    if doc.get(o["target_field"], ABSENT) is not ABSENT:
        raise Failure(f"field [{o['target_field']}] already exists")
    value = doc.get(o["field"])
    doc.remove(o["field"])
    doc.set(o["target_field"], value)


def process_remove(doc, o, _):
    for field in [o["field"]] if isinstance(o["field"], str) else o["field"]:
        doc.remove(field, o.get("ignore_missing", False))


def process_append(doc, o, _):
    values = o["value"] if isinstance(o["value"], list) else [o["value"]]
    values = [doc.render(v) for v in values]
    present = doc.get(o["field"], None)
    present = [] if present is None else present if isinstance(present, list) else [present]
    if not o.get("allow_duplicates", True):
        values = [v for i, v in enumerate(values) if v not in present and v not in values[:i]]
    doc.set(o["field"], present + values)


def process_json(doc, o, _):
    text = doc.get(o["field"])
    try:
        value = json.loads(text, object_pairs_hook=unique)
    except (ValueError, TypeError) as error:
        raise Failure(f"unable to parse [{o['field']}] as JSON: {error}") from error
    doc.set(o["target_field"], value)


def unique(pairs):
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError("duplicate key")
    return dict(pairs)


def process_dot_expander(doc, o, _):
    holder = doc.get(o["path"]) if "path" in o else doc.source
    if not isinstance(holder, dict):
        raise Failure(f"field [{o['path']}] is not an object")
    if o["field"] == "*" or "override" in o:
        raise Unsupported("dot_expander of everything depends on the order of a hash map")
    if o["field"] not in holder:
        return
    path = f"{o['path']}.{o['field']}" if "path" in o else o["field"]
    parts = path.split(".")
    for end in range(1, len(parts)):
        part = doc.get(".".join(parts[:end]), None)
        if part is not None and not isinstance(part, dict):
            raise Failure(f"cannot expand [{path}] because [{'.'.join(parts[:end])}] is not an object field, but a value field")
    if doc.get(path, ABSENT) is not ABSENT:
        raise Unsupported(f"dot_expander would append to [{path}]")
    value = holder.pop(o["field"])
    doc.set(path, value)


def process_fingerprint(doc, o, _):
    digest = hashlib.sha256()
    for field in sorted(o["fields"]):
        digest.update(json.dumps(doc.get(field), sort_keys=True).encode() + b"\0")
    doc.set(o.get("target_field", "fingerprint"), base64.b64encode(digest.digest()).decode())


def process_lowercase(doc, o, _):
    value = doc.get(o["field"], None)
    if value is None:
        if o.get("ignore_missing"):
            return
        raise Failure(f"field [{o['field']}] is null or missing, cannot lowercase it")
    doc.set(o.get("target_field", o["field"]), value.lower())


def process_split(doc, o, _):
    value = doc.get(o["field"], None)
    if value is None and o.get("ignore_missing"):
        return
    if not isinstance(value, str):
        raise Failure(f"field [{o['field']}] is not a string, cannot split it")
    parts = re.split(o["separator"], value)
    while len(parts) > 1 and parts[-1] == "" and not o.get("preserve_trailing"):
        parts.pop()
    doc.set(o.get("target_field", o["field"]), parts)


def process_convert(doc, o, _):
    value = doc.get(o["field"], None)
    if value is None:
        if o.get("ignore_missing"):
            return
        raise Failure(f"Field [{o['field']}] is null, cannot be converted to type [{o['type']}]")
    convert = {"string": lambda v: str(v).lower() if isinstance(v, bool) else str(v), "long": int}
    if o["type"] not in convert:
        raise Unsupported(f"convert to {o['type']}")
    one = convert[o["type"]]
    doc.set(o.get("target_field", o["field"]), [one(v) for v in value] if isinstance(value, list) else one(value))


def process_grok(doc, o, _):
    value = doc.get(o["field"], None)
    if value is None and o.get("ignore_missing"):
        return
    for pattern in o["patterns"]:
        names = []

        def group(match):
            kind, field, cast = (match.group(1).split(":") + [None, None])[:3]
            if kind not in o.get("pattern_definitions", {}):
                raise Unsupported(f"grok's own pattern {kind}")
            names.append((field, cast))
            return f"({o['pattern_definitions'][kind]})"

        found = re.search(re.sub(r"%\{([^}]+)\}", group, pattern), value)
        if found:
            for (field, cast), text in zip(names, found.groups()):
                doc.set(field, int(text) if cast == "int" else text)
            return
    raise Failure(f"Provided Grok expressions do not match field value: [{value}]")


def process_foreach(doc, o, run):
    values = doc.get(o["field"], None)
    if values is None:
        if o.get("ignore_missing"):
            return
        raise Failure(f"field [{o['field']}] is null or missing, cannot loop over its elements")
    for value in values:
        doc.ingest["_value"] = value
        run.one(doc, o["processor"])
    doc.ingest.pop("_value", None)


def process_pipeline(doc, o, run):
    run.pipeline(doc, o["name"])


def process_community_id(doc, o, _):
    wanted = ("source.ip", "source.port", "destination.ip", "destination.port", "network.transport")
    values = [doc.get(field, None) for field in wanted]
    if None in values:
        if o.get("ignore_missing"):
            return
        raise Failure("unable to construct flow from document")
    try:
        doc.set("network.community_id", community_id(*values))
    except ValueError as error:
        raise Failure(str(error)) from error


def community_id(src, sport, dst, dport, transport):
    """Community ID version 1, seed 0, of a TCP or UDP flow."""
    number = {"tcp": 6, "udp": 17}[transport]
    ends = [(ipaddress.ip_address(src).packed, sport), (ipaddress.ip_address(dst).packed, dport)]
    ends.sort()
    data = b"\0\0" + ends[0][0] + ends[1][0] + bytes([number, 0])
    data += ends[0][1].to_bytes(2, "big") + ends[1][1].to_bytes(2, "big")
    return "1:" + base64.b64encode(hashlib.sha1(data).digest()).decode()


PROCESSORS = {
    "set": (process_set, {"field", "value", "copy_from", "override", "ignore_empty_value"}),
    "fail": (process_fail, {"message"}),
    "rename": (process_rename, {"field", "target_field", "ignore_missing"}),
    "remove": (process_remove, {"field", "ignore_missing"}),
    "append": (process_append, {"field", "value", "allow_duplicates"}),
    "json": (process_json, {"field", "target_field"}),
    "dot_expander": (process_dot_expander, {"field", "path"}),
    "fingerprint": (process_fingerprint, {"fields", "target_field", "method"}),
    "lowercase": (process_lowercase, {"field", "target_field", "ignore_missing"}),
    "split": (process_split, {"field", "target_field", "separator", "ignore_missing"}),
    "convert": (process_convert, {"field", "target_field", "type", "ignore_missing"}),
    "grok": (process_grok, {"field", "patterns", "pattern_definitions", "ignore_missing"}),
    "foreach": (process_foreach, {"field", "processor", "ignore_missing"}),
    "pipeline": (process_pipeline, {"name"}),
    "community_id": (process_community_id, {"ignore_missing"}),
}


class Ingest:
    """The pipelines of a directory, ready to run."""

    def __init__(self, directory):
        self.pipelines = {f.stem: json.loads(f.read_text()) for f in sorted(directory.glob("*.json"))}

    def run(self, source, name):
        """The document that the named pipeline makes of the source."""
        doc = Document(source)
        self.pipeline(doc, name)
        return doc.source

    def pipeline(self, doc, name):
        if name not in self.pipelines:
            raise Failure(f"Pipeline processor configured for non-existent pipeline [{name}]")
        pipeline = self.pipelines[name]
        self.chain(doc, pipeline["processors"], pipeline.get("on_failure"))

    def chain(self, doc, processors, on_failure):
        for processor in processors:
            try:
                self.one(doc, processor)
            except Failure as failure:
                if on_failure is None:
                    raise
                doc.ingest["on_failure_message"] = str(failure)
                doc.ingest["on_failure_processor_type"] = next(iter(processor))
                self.chain(doc, on_failure, None)
                return

    def one(self, doc, processor):
        [(kind, options)] = processor.items()
        if kind not in PROCESSORS:
            raise Unsupported(f"processor {kind}")
        run, known = PROCESSORS[kind]
        if unknown := set(options) - known - COMMON:
            raise Unsupported(f"{kind}: option {sorted(unknown)}")
        try:
            if "if" in options and not holds(options["if"], doc.source):
                return
            run(doc, options, self)
        except (Failure, Thrown) as failure:
            if options.get("ignore_failure"):
                return
            if "on_failure" in options:
                self.chain(doc, options["on_failure"], None)
                return
            raise Failure(str(failure)) from failure
