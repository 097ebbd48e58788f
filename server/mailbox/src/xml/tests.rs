use proptest::prelude::*;

use super::*;

/// Reads everything, and gives the texts of the leaves.
fn drain(document: &[u8], limits: Limits) -> Result<Vec<String>, XmlError> {
    fn level(reader: &mut Reader<'_>, out: &mut Vec<String>) -> Result<(), XmlError> {
        reader.each(|reader, element| {
            if element.is("leaf") {
                out.push(reader.text()?);
                Ok(())
            } else {
                level(reader, out)
            }
        })
    }
    let mut reader = Reader::new(document, limits)?;
    let mut out = Vec::new();
    reader.root()?;
    level(&mut reader, &mut out)?;
    reader.end()?;
    Ok(out)
}

fn sample(text: &str) -> Vec<u8> {
    let mut xml = Xml::document();
    xml.element("s:a", &[("xmlns:s", "urn:x"), ("k", text)], |xml| {
        xml.text("s:leaf", &[], text);
        xml.element("s:b", &[], |xml| xml.text("leaf", &[], "second"));
        xml.empty("s:leaf", &[]);
    });
    xml.finish()
}

#[test]
fn reads_what_it_wrote() {
    let got = drain(
        &sample("Ü & <b> \"x\" 'y' ]]> 漢字 👩🏽‍🚀\r\nline"),
        Limits::default(),
    )
    .unwrap();
    assert_eq!(got, ["Ü & <b> \"x\" 'y' ]]> 漢字 👩🏽‍🚀\r\nline", "second", ""]);
}

#[test]
fn characters_that_xml_cannot_hold_are_left_out() {
    let got = drain(&sample("a\u{0}b\u{8}c\u{FFFE}d\u{1F}"), Limits::default()).unwrap();
    assert_eq!(got[0], "abcd");
}

#[test]
fn references_and_sections() {
    let got = drain(
        b"<a><leaf>&#65;&#x1F600;<![CDATA[<&>]]>&lt;<!-- no -->&#x1;</leaf></a>",
        Limits::default(),
    );
    assert_eq!(got.unwrap(), ["A\u{1F600}<&><"]);
}

#[test]
fn document_types_and_entities_are_refused() {
    let bomb = b"<!DOCTYPE a [<!ENTITY x \"y\">]><a><leaf>&x;</leaf></a>";
    assert_eq!(
        drain(bomb, Limits::default()),
        Err(XmlError::Forbidden("a document type"))
    );
    let external = b"<a><leaf>&xxe;</leaf></a>";
    assert_eq!(
        drain(external, Limits::default()),
        Err(XmlError::Forbidden("an unknown entity"))
    );
    let attribute = b"<a x=\"&xxe;\"/>";
    assert_eq!(
        drain(attribute, Limits::default()),
        Err(XmlError::Forbidden("an unknown entity"))
    );
    let inside = b"<a><!DOCTYPE b></a>";
    assert!(drain(inside, Limits::default()).is_err());
}

#[test]
fn limits_hold() {
    let deep = "<x>".repeat(65) + &"</x>".repeat(65);
    assert_eq!(
        drain(deep.as_bytes(), Limits::default()),
        Err(XmlError::Limit("nesting"))
    );
    let fits = "<x>".repeat(64) + &"</x>".repeat(64);
    assert!(drain(fits.as_bytes(), Limits::default()).is_ok());
    let small = Limits {
        elements: 10,
        text: 20,
        ..Limits::default()
    };
    let many = format!("<a>{}</a>", "<b/>".repeat(10));
    assert_eq!(
        drain(many.as_bytes(), small),
        Err(XmlError::Limit("number of elements"))
    );
    let long = format!("<a><leaf>{}</leaf></a>", "x".repeat(21));
    assert_eq!(drain(long.as_bytes(), small), Err(XmlError::Limit("text")));
    let attribute = format!("<a b=\"{}\"/>", "x".repeat(21));
    assert_eq!(
        drain(attribute.as_bytes(), small),
        Err(XmlError::Limit("attributes"))
    );
}

#[test]
fn other_encodings_are_refused() {
    let utf16: Vec<u8> = "<a/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let with_mark = [b"\xFF\xFE".as_slice(), &utf16].concat();
    assert!(matches!(
        drain(&with_mark, Limits::default()),
        Err(XmlError::Malformed(_))
    ));
    assert!(drain(b"\xEF\xBB\xBF<a/>", Limits::default()).is_ok());
}

#[test]
fn nonsense_is_malformed_and_not_cut() {
    for nonsense in [
        "hello",
        "<a></b>",
        "<a/><b/>",
        "<a/>x",
        "{\"a\":1}",
        "<a><leaf>x & y</leaf></a>",
    ] {
        let error = drain(nonsense.as_bytes(), Limits::default()).unwrap_err();
        assert!(matches!(error, XmlError::Malformed(_)), "{nonsense}: {error:?}");
    }
}

proptest! {
    #[test]
    fn every_truncation_is_noticed(text in "\\PC{0,40}", at in 0.0..1.0f64) {
        let whole = sample(&text);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "an index below the length")]
        let cut = ((whole.len() as f64) * at) as usize;
        let error = drain(&whole[..cut], Limits::default()).unwrap_err();
        // Within the declaration there is no telling; later on it is always known to be cut.
        prop_assert!(error == XmlError::Cut || cut <= 40, "{:?} at {}", error, cut);
    }

    #[test]
    fn any_text_comes_back(text in any::<String>()) {
        let got = drain(&sample(&text), Limits::default()).unwrap();
        let kept = clean(&text);
        prop_assert_eq!(&got[0], kept.as_ref());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = drain(&bytes, Limits::default());
    }

    #[test]
    fn no_markup_makes_it_panic(pieces in proptest::collection::vec(
        prop_oneof![Just("<a>"), Just("</a>"), Just("<leaf>"), Just("</leaf>"), Just("&lt;"), Just("&#x0;"), Just("&#99999999;"),
            Just("<![CDATA["), Just("]]>"), Just("<!--"), Just("-->"), Just("<?x"), Just("?>"), Just("<!DOCTYPE"), Just("x"), Just("&"), Just("<a b='c'/>"), Just("<a b=c>")], 0..30)) {
        let _ = drain(pieces.concat().as_bytes(), Limits { depth: 8, ..Limits::default() });
    }
}
