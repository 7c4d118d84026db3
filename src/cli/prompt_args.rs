//! The prompt flags: `--point`, `--box`, `--mask`, `--range`.
//!
//! Used by clap, so an argument that is no prompt ends the program with code 2 and the reason.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::prompts::{MaskSource, Statement};
use crate::label::{BoxPrompt, FrameIdx, ObjectId, Point, PointLabel};

/// A prompt from a flag.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptArg {
    /// Frame.
    pub frame: FrameIdx,
    /// Object.
    pub object: ObjectId,
    /// What is said about it.
    pub statement: Statement,
}

/// `FRAME:OBJECT:X,Y[:neg]`
///
/// # Errors
/// When the text has another form; the error says which one is wanted.
pub fn parse_point(text: &str) -> Result<PromptArg, String> {
    let form = "FRAME:OBJECT:X,Y or FRAME:OBJECT:X,Y:neg";
    let (frame, object, rest) = frame_and_object(text, form)?;
    let (position, label) = match rest.split_once(':') {
        None => (rest, PointLabel::Positive),
        Some((position, "pos")) => (position, PointLabel::Positive),
        Some((position, "neg")) => (position, PointLabel::Negative),
        Some((_, other)) => return Err(format!("`{other}` is neither `neg` nor `pos`; write {form}")),
    };
    let [x, y] = numbers(position, form)?;
    Ok(PromptArg { frame, object, statement: Statement::Click(Point { x, y, label }) })
}

/// `FRAME:OBJECT:X0,Y0,X1,Y1`, corners in any order.
///
/// # Errors
/// When the text has another form; the error says which one is wanted.
pub fn parse_box(text: &str) -> Result<PromptArg, String> {
    let form = "FRAME:OBJECT:X0,Y0,X1,Y1";
    let (frame, object, rest) = frame_and_object(text, form)?;
    let corners: [f32; 4] = numbers(rest, form)?;
    Ok(PromptArg { frame, object, statement: Statement::Bounds(BoxPrompt::from(corners)) })
}

/// `FRAME:OBJECT:FILE`; the file's name may hold colons and need not be UTF-8.
///
/// # Errors
/// When the text has another form; the error says which one is wanted.
pub fn parse_mask(text: &OsStr) -> Result<PromptArg, String> {
    let form = "FRAME:OBJECT:FILE.png or FRAME:OBJECT:FILE.npy";
    let bytes = text.as_encoded_bytes();
    let mut colons = bytes.iter().enumerate().filter(|(_, byte)| **byte == b':').map(|(at, _)| at);
    let second = colons.nth(1).ok_or_else(|| format!("write {form}"))?;
    let start = std::str::from_utf8(&bytes[..second]).map_err(|_| format!("write {form}"))?;
    let (frame, object, _) = frame_and_object(&format!("{start}:"), form)?;
    let path = tail(text, second + 1).ok_or_else(|| format!("write {form}"))?;
    let is_known = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("png") || e.eq_ignore_ascii_case("npy"));
    if !is_known {
        return Err(format!("`{}` is neither a .png nor a .npy file; write {form}", path.display()));
    }
    Ok(PromptArg { frame, object, statement: Statement::Mask(MaskSource::File(path)) })
}

/// [`parse_mask`] for clap: `--mask` may name a file that is not UTF-8, which clap's function parsers cannot take.
#[derive(Clone)]
pub struct MaskParser;

impl clap::builder::TypedValueParser for MaskParser {
    type Value = PromptArg;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<PromptArg, clap::Error> {
        parse_mask(value).map_err(|cause| {
            let name = arg.map(ToString::to_string).unwrap_or_else(|| "--mask".into());
            let message = format!("invalid value '{}' for '{name}': {cause}\n", value.to_string_lossy());
            clap::Error::raw(clap::error::ErrorKind::ValueValidation, message).with_cmd(command)
        })
    }
}

/// `A..B`, both included.
///
/// # Errors
/// When the text has another form; the error says which one is wanted.
pub fn parse_range(text: &str) -> Result<(FrameIdx, FrameIdx), String> {
    let form = "A..B, two frame numbers, both included";
    let (first, last) = text.split_once("..").ok_or_else(|| format!("write {form}"))?;
    Ok((FrameIdx(whole(first, "frame", form)?), FrameIdx(whole(last, "frame", form)?)))
}

fn frame_and_object<'a>(text: &'a str, form: &str) -> Result<(FrameIdx, ObjectId, &'a str), String> {
    let mut parts = text.splitn(3, ':');
    let (Some(frame), Some(object), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(format!("write {form}"));
    };
    Ok((FrameIdx(whole(frame, "frame", form)?), ObjectId(whole(object, "object", form)?), rest))
}

fn whole(text: &str, what: &str, form: &str) -> Result<u32, String> {
    text.trim().parse().map_err(|_| format!("{what} `{text}` is not a whole number from 0 on; write {form}"))
}

fn numbers<const N: usize>(text: &str, form: &str) -> Result<[f32; N], String> {
    let mut values = [0.0; N];
    let mut parts = text.split(',');
    for value in &mut values {
        let part = parts.next().ok_or_else(|| format!("`{text}` has too few numbers; write {form}"))?;
        let number: f32 = part.trim().parse().map_err(|_| format!("`{part}` is not a number; write {form}"))?;
        if !number.is_finite() {
            return Err(format!("`{part}` is not a finite number; write {form}"));
        }
        *value = number;
    }
    match parts.next() {
        Some(_) => Err(format!("`{text}` has too many numbers; write {form}")),
        None => Ok(values),
    }
}

/// `text` from byte `start` on, which follows a colon.
fn tail(text: &OsStr, start: usize) -> Option<PathBuf> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        text.as_bytes().get(start..).map(|rest| PathBuf::from(OsString::from(OsStr::from_bytes(rest))))
    }
    #[cfg(not(unix))]
    {
        // Elsewhere the bytes of an OsStr cannot be cut safely; names that are not Unicode need --prompts.
        text.to_str().and_then(|text| text.get(start..)).map(|rest| PathBuf::from(OsString::from(rest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_the_documented_form_are_understood() {
        let arg = |frame, object, statement| PromptArg { frame: FrameIdx(frame), object: ObjectId(object), statement };
        let click = |x, y, label| Statement::Click(Point { x, y, label });
        let point_cases = [
            ("0:1:10,20", arg(0, 1, click(10.0, 20.0, PointLabel::Positive))),
            ("0:1:10,20:pos", arg(0, 1, click(10.0, 20.0, PointLabel::Positive))),
            ("7:300:0.5,-0.25:neg", arg(7, 300, click(0.5, -0.25, PointLabel::Negative))),
        ];
        for (text, expected) in point_cases {
            assert_eq!(parse_point(text).expect(text), expected);
        }
        let turned = BoxPrompt { x0: 1.0, y0: 2.0, x1: 9.0, y1: 8.0 };
        assert_eq!(parse_box("3:2:9,8,1,2").expect("a box"), arg(3, 2, Statement::Bounds(turned)));
        let file = |name: &str| Statement::Mask(MaskSource::File(name.into()));
        assert_eq!(parse_mask(OsStr::new("3:2:a:b/c.PNG")).expect("a mask"), arg(3, 2, file("a:b/c.PNG")));
        assert_eq!(parse_range("0..19").expect("a range"), (FrameIdx(0), FrameIdx(19)));
    }

    #[cfg(unix)]
    #[test]
    fn mask_path_need_not_be_utf8() {
        use std::os::unix::ffi::OsStrExt;
        let parsed = parse_mask(OsStr::from_bytes(b"0:1:m\xff.npy")).expect("a path");
        let path = PathBuf::from(OsStr::from_bytes(b"m\xff.npy"));
        assert_eq!(parsed.statement, Statement::Mask(MaskSource::File(path)));
    }

    #[test]
    fn anything_else_says_what_to_write() {
        for text in [
            "",
            "0",
            "0:1",
            "0:1:",
            "0:1:5",
            "0:1:5,",
            "0:1:5,6,7",
            "-1:1:5,6",
            "0:x:5,6",
            "0:1:NaN,5",
            "0:1:5,inf",
            "0:1:5,6:maybe",
            "0:1:5,6:neg:neg",
            "4294967296:1:5,6",
        ] {
            let error = parse_point(text).expect_err(text);
            assert!(error.contains("FRAME:OBJECT:X,Y"), "{text}: {error}");
        }
        for text in ["0:1:1,2,3", "0:1:1,2,3,4,5", "0:1:1,2,3,x"] {
            let error = parse_box(text).expect_err(text);
            assert!(error.contains("X0,Y0,X1,Y1"), "{text}: {error}");
        }
        for text in ["0:1", "0:1:", "0:1:mask", "0:1:mask.jpg", "x:1:mask.png"] {
            let error = parse_mask(OsStr::new(text)).expect_err(text);
            assert!(error.contains("FILE.png"), "{text}: {error}");
        }
        for text in ["", "5", "5..", "..5", "a..b", "1...5", "-1..5"] {
            let error = parse_range(text).expect_err(text);
            assert!(error.contains("A..B"), "{text}: {error}");
        }
    }
}
