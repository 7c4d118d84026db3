//! What to make of a server's answer, before a byte of its body is read. Pure: it sees headers and says what to do.
//!
//! Servers, proxies and the login pages of hotels lie; nothing here is believed that another header contradicts.
//! Ranges follow RFC 9110, sections 13.1.5 and 14.

use std::ops::RangeInclusive;

use super::part::Held;

/// The headers that matter.
#[derive(Debug, Clone, Default)]
pub struct Headers {
    /// The status code.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// `Content-Length`.
    pub content_length: Option<String>,
    /// `Content-Range`.
    pub content_range: Option<String>,
    /// `ETag`.
    pub etag: Option<String>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The body is the file from its beginning.
    Begin {
        /// Its length, where the server says it.
        total: Option<u64>,
        /// Its mark, where it is a strong one.
        etag: Option<String>,
    },
    /// The body goes on where the part ends.
    GoOn,
    /// The answer does not fit the part: drop it and ask for the whole file.
    StartOver(String),
    /// Ask again later.
    AskAgain(String),
    /// No model comes from there.
    Refuse(String),
}

/// Judges an answer to a request for the rest of `held`, or for the whole file; its length must lie in `accepted`.
pub fn judge(headers: &Headers, held: Option<&Held>, accepted: &RangeInclusive<u64>) -> Verdict {
    match headers.status {
        200 | 206 => {}
        408 | 425 | 429 | 500 | 502 | 503 | 504 => {
            return Verdict::AskAgain(format!("the server is busy or broken ({})", headers.status));
        }
        416 => return Verdict::StartOver("the server has no such part of the file".to_owned()),
        404 | 410 => return Verdict::Refuse(format!("the server does not have it ({})", headers.status)),
        401 | 403 | 407 => return Verdict::Refuse(format!("the server or a proxy wants a login ({})", headers.status)),
        status => return Verdict::Refuse(format!("the server answered with status {status}")),
    }
    let is_page = |kind: &String| {
        let kind = kind.trim_start().to_ascii_lowercase();
        ["text/html", "application/xhtml", "text/xml", "application/json"].iter().any(|page| kind.starts_with(page))
    };
    if let Some(kind) = headers.content_type.as_ref().filter(|kind| is_page(kind)) {
        return Verdict::Refuse(format!(
            "a page came instead of a model ({kind}), perhaps the login page of a network"
        ));
    }
    if let Some(encoding) = headers.content_encoding.as_deref().filter(|e| !e.eq_ignore_ascii_case("identity")) {
        return Verdict::Refuse(format!("the file came encoded ({encoding}), which was not asked for"));
    }
    let length = match headers.content_length.as_deref().map(|text| text.trim().parse::<u64>()) {
        None => None,
        Some(Ok(length)) => Some(length),
        Some(Err(_)) => return Verdict::Refuse("its length is no number".to_owned()),
    };
    if headers.status == 200 {
        return begin(headers, length, accepted);
    }
    match held {
        Some(held) => go_on(headers, length, held),
        None => Verdict::StartOver("a part of the file came, and the whole was asked for".to_owned()),
    }
}

fn begin(headers: &Headers, length: Option<u64>, accepted: &RangeInclusive<u64>) -> Verdict {
    if let Some(length) = length.filter(|length| !accepted.contains(length)) {
        return Verdict::Refuse(wrong_length(length, accepted));
    }
    // A weak mark does not promise the same bytes.
    let etag = headers.etag.clone().filter(|etag| etag.starts_with('"') && etag.len() > 2 && etag.ends_with('"'));
    Verdict::Begin { total: length, etag }
}

fn go_on(headers: &Headers, length: Option<u64>, held: &Held) -> Verdict {
    if headers.etag.as_ref().is_some_and(|etag| *etag != held.etag) {
        return Verdict::StartOver("the file has changed on the server".to_owned());
    }
    let expected = format!("bytes {}-{}/{}", held.bytes, held.total - 1, held.total);
    let range = headers.content_range.as_deref().unwrap_or("none");
    if range.trim() != expected {
        return Verdict::StartOver(format!("the server sent another part ({range}) than asked for ({expected})"));
    }
    let rest = held.total - held.bytes;
    if length.is_some_and(|length| length != rest) {
        return Verdict::StartOver("the server contradicts itself about the length of the part".to_owned());
    }
    Verdict::GoOn
}

/// What is said of a file that is far from its known size.
pub fn wrong_length(bytes: u64, accepted: &RangeInclusive<u64>) -> String {
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    format!(
        "the file there has {:.1} MB and should have {:.1} to {:.1} MB, so it is not this model",
        megabytes(bytes),
        megabytes(*accepted.start()),
        megabytes(*accepted.end())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(status: u16, pairs: &[(&str, &str)]) -> Headers {
        let get = |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        Headers {
            status,
            content_type: get("type"),
            content_encoding: get("encoding"),
            content_length: get("length"),
            content_range: get("range"),
            etag: get("etag"),
        }
    }

    #[test]
    fn answers_are_judged_by_all_their_headers() {
        let held = Held { bytes: 40, total: 100, etag: "\"a\"".to_owned() };
        let part = [("range", "bytes 40-99/100"), ("etag", "\"a\""), ("length", "60")];
        let with = |name: &'static str, value: &'static str| {
            let mut pairs: Vec<_> = part.iter().copied().filter(|(n, _)| *n != name).collect();
            pairs.push((name, value));
            headers(206, &pairs)
        };
        let cases: Vec<(&str, Headers, Option<&Held>, &str)> = vec![
            (
                "whole",
                headers(200, &[("length", "100"), ("etag", "\"a\"")]),
                None,
                "Begin { total: Some(100), etag: Some",
            ),
            (
                "whole instead of a part",
                headers(200, &[("length", "100")]),
                Some(&held),
                "Begin { total: Some(100), etag: None",
            ),
            ("no length", headers(200, &[]), None, "Begin { total: None"),
            ("weak mark", headers(200, &[("etag", "W/\"a\"")]), None, "Begin { total: None, etag: None"),
            ("part", headers(206, &part), Some(&held), "GoOn"),
            ("part without a mark", headers(206, &part[..1]), Some(&held), "GoOn"),
            ("part nobody asked for", headers(206, &part), None, "StartOver"),
            ("other mark", with("etag", "\"b\""), Some(&held), "StartOver(\"the file has changed"),
            ("other beginning", with("range", "bytes 41-99/100"), Some(&held), "StartOver"),
            ("other end", with("range", "bytes 40-98/100"), Some(&held), "StartOver"),
            ("other whole", with("range", "bytes 40-99/101"), Some(&held), "StartOver"),
            ("unknown whole", with("range", "bytes 40-99/*"), Some(&held), "StartOver"),
            ("nonsense", with("range", "lines 3"), Some(&held), "StartOver"),
            ("no range", headers(206, &part[1..]), Some(&held), "StartOver"),
            ("other length", with("length", "61"), Some(&held), "StartOver"),
            ("no such part", headers(416, &[]), Some(&held), "StartOver"),
            ("page", headers(200, &[("type", "text/html; charset=utf-8")]), None, "Refuse"),
            ("page for a part", with("type", " TEXT/HTML"), Some(&held), "Refuse"),
            ("compressed", headers(200, &[("encoding", "gzip")]), None, "Refuse"),
            ("too long", headers(200, &[("length", "2000")]), None, "Refuse"),
            ("too short", headers(200, &[("length", "10")]), None, "Refuse"),
            ("length of words", headers(200, &[("length", "many")]), None, "Refuse"),
            ("gone", headers(404, &[]), Some(&held), "Refuse"),
            ("login", headers(407, &[]), None, "Refuse"),
            ("redirect to nowhere", headers(304, &[]), None, "Refuse"),
            ("busy", headers(503, &[]), Some(&held), "AskAgain"),
        ];
        for (name, headers, held, expected) in cases {
            let verdict = format!("{:?}", judge(&headers, held, &(80..=125)));
            assert!(verdict.starts_with(expected), "{name}: {verdict}");
        }
    }
}
