"""What Elasticsearch would say to a document under the shipped index template.

Models the rules that reject a document: a term above Lucene's 32,766 bytes, a value that its
type cannot parse (unless `ignore_malformed`), a second type for a field that was made by a
dynamic template. `subobjects: false`: every path is one flat name.
"""

import datetime
import fnmatch
import ipaddress
import json

TERM_LIMIT = 32766


def flatten(value, prefix=""):
    """Yields (dotted name, leaf); lists give one pair for each element."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flatten(inner, f"{prefix}.{key}" if prefix else key)
    elif isinstance(value, list):
        for inner in value:
            yield from flatten(inner, prefix)
    elif value is not None:
        yield prefix, value


class Index:
    """An index made from the template; remembers the fields that documents added."""

    def __init__(self, elastic):
        template = json.loads((elastic / "index-template.json").read_text())
        optional = set(template.get("ignore_missing_component_templates", []))
        self.properties, self.dynamic, self.settings = {}, [], {}
        self.subobjects = True
        for name in template["composed_of"]:
            path = elastic / "component-templates" / f"{name}.json"
            if not path.exists() and name in optional:
                continue
            part = json.loads(path.read_text())["template"]
            mappings = part.get("mappings", {})
            self.properties.update(mappings.get("properties", {}))
            self.dynamic += mappings.get("dynamic_templates", [])
            self.subobjects = mappings.get("subobjects", self.subobjects)
            self.settings.update(part.get("settings", {}).get("index", {}))
        self.added = {}

    def limit(self):
        return self.settings["mapping"]["total_fields"]["limit"]

    def index(self, document):
        """Takes a document in; the reasons why Elasticsearch would refuse it, if any."""
        source = {key: value for key, value in document.items() if not key.startswith("_")}
        reasons = []
        for name, value in flatten(source):
            mapping = self.properties.get(name) or self.added.get(name)
            if mapping is None:
                mapping = self.added[name] = self.dynamic_mapping(name, value)
            if why := refuses(mapping, value):
                reasons.append(f"{name} ({mapping['type']}): {why}")
        if len(self.properties) + len(self.added) > self.limit():
            reasons.append("total_fields.limit")
        return reasons

    def dynamic_mapping(self, name, value):
        kind = "boolean" if isinstance(value, bool) else "long" if isinstance(value, int) else "double" if isinstance(value, float) else "string"
        for entry in self.dynamic:
            [rule] = entry.values()
            paths = rule.get("path_match", "*")
            paths = [paths] if isinstance(paths, str) else paths
            if rule.get("match_mapping_type", kind) == kind and any(fnmatch.fnmatchcase(name, p) for p in paths):
                return rule["mapping"]
        return {"boolean": {"type": "boolean"}, "long": {"type": "long"}, "double": {"type": "float"}, "string": {"type": "text"}}[kind]


def refuses(mapping, value):
    """Why a field of that type refuses the value, or None."""
    kind = mapping["type"]
    if kind in ("keyword", "constant_keyword"):
        text = value if isinstance(value, str) else json.dumps(value)
        units = len(text.encode("utf-16-le")) // 2
        indexed = mapping.get("index", True) or mapping.get("doc_values", True)
        if units <= mapping.get("ignore_above", 2**31 - 1) and indexed and len(text.encode()) > TERM_LIMIT:
            return f"immense term: {len(text.encode())} bytes"
        return None
    if kind in ("wildcard", "match_only_text", "text"):
        return None
    if mapping.get("ignore_malformed"):
        return None
    try:
        return PARSERS[kind](value)
    except (ValueError, TypeError) as error:
        return str(error)


def boolean(value):
    return None if isinstance(value, bool) or value in ("true", "false", "") else f"not a boolean: {value!r}"


def number(value):
    float(value)
    return "a boolean is no number" if isinstance(value, bool) else None


def date(value):
    if isinstance(value, str):
        datetime.datetime.fromisoformat(value[:26].rstrip("Z"))
    return None


def address(value):
    ipaddress.ip_address(value)


PARSERS = {"boolean": boolean, "long": number, "double": number, "float": number, "date": date, "date_nanos": date, "ip": address}
