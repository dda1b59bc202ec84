//! The operator's own look of the page: which names, links, colours and pictures it may have.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use protocol::limits::{LOGO_BYTES_MAX, SPONSOR_LINK_BYTES_MAX, SPONSOR_TEXT_BYTES_MAX};
use protocol::message::branding::Sponsor;
use serde::{Deserialize, Serialize};

use super::load::{Kernel, Parser};
use super::settings::Key;

/// By default nothing: the page looks like the product.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branding {
    /// Who runs the node.
    pub sponsor: Option<Sponsor>,
    /// The picture, as it was when the configuration was read.
    pub logo: Option<Logo>,
    /// `#rrggbb`, lower case.
    pub accent_colour: Option<String>,
}

/// A picture that browsers show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logo {
    /// Which kind, as its content says.
    pub format: LogoFormat,
    /// The file.
    pub content: LogoContent,
}

/// What kinds of picture a logo may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogoFormat {
    /// ISO/IEC 15948.
    Png,
    /// SVG 1.1 or 2, UTF-8, not compressed.
    Svg,
    /// RFC 9649.
    WebP,
}

impl LogoFormat {
    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Svg => "image/svg+xml",
            Self::WebP => "image/webp",
        }
    }
}

/// A file's bytes, at most [`LOGO_BYTES_MAX`]; base64 on its way to the children.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct LogoContent(Arc<[u8]>);

impl LogoContent {
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<LogoContent> for String {
    fn from(content: LogoContent) -> Self {
        STANDARD.encode(&content.0)
    }
}

impl TryFrom<String> for LogoContent {
    type Error = base64::DecodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        STANDARD.decode(text).map(|bytes| Self(bytes.into()))
    }
}

impl fmt::Debug for LogoContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Parser<'_> {
    /// `None` when one of the values was faulty; all have been looked at.
    pub(super) fn branding(&mut self, kernel: &Kernel<'_>) -> Option<Branding> {
        let name = self.parse(Key::SponsorName, sponsor_text);
        let link = self.parse(Key::SponsorLink, sponsor_link);
        let city = self.parse(Key::SponsorCity, sponsor_text);
        let logo = self.parse(Key::Logo, |path| match path {
            "" => Ok(None),
            path => (kernel.read_file)(Path::new(path)).and_then(logo).map(Some),
        });
        let accent_colour = self.parse(Key::AccentColour, accent_colour);
        if name == Some(None) {
            let reason = "needs sponsor_name: whose is it?".to_owned();
            if matches!(link, Some(Some(_))) {
                self.fault(Key::SponsorLink, reason.clone());
            }
            if matches!(city, Some(Some(_))) {
                self.fault(Key::SponsorCity, reason);
            }
        }
        let (link, city) = (link?, city?);
        Some(Branding {
            sponsor: name?.map(|name| Sponsor { name, link, city }),
            logo: logo?,
            accent_colour: accent_colour?,
        })
    }
}

fn sponsor_text(text: &str) -> Result<Option<String>, String> {
    if text.len() > SPONSOR_TEXT_BYTES_MAX || text.contains(char::is_control) {
        return Err(format!(
            "must be 1 to {SPONSOR_TEXT_BYTES_MAX} bytes without control characters"
        ));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// Only what a browser opens as a page: a link of another scheme (`javascript:`) could do anything in this one.
fn sponsor_link(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let is_link = text.len() <= SPONSOR_LINK_BYTES_MAX
        && text.parse::<http::Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some_and(|host| !host.is_empty())
                && uri.authority().is_some_and(|it| !it.as_str().contains('@'))
        });
    if is_link {
        Ok(Some(text.to_owned()))
    } else {
        Err(format!(
            "must be an address that begins with http:// or https://, such as https://example.net/, of at most \
             {SPONSOR_LINK_BYTES_MAX} bytes and without a password"
        ))
    }
}

fn accent_colour(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let is_colour = text.strip_prefix('#').is_some_and(|digits| {
        digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    });
    if is_colour {
        Ok(Some(text.to_ascii_lowercase()))
    } else {
        Err("must be a colour as #rrggbb, such as #1656c4".to_owned())
    }
}

fn logo(content: Vec<u8>) -> Result<Logo, String> {
    if content.len() > LOGO_BYTES_MAX {
        return Err(format!(
            "must be a picture of at most {} KiB; this one has more",
            LOGO_BYTES_MAX / 1024
        ));
    }
    match format(&content) {
        Some(format) => Ok(Logo {
            format,
            content: LogoContent(content.into()),
        }),
        None => Err(
            "must be a PNG, a WebP, or an SVG that browsers show: UTF-8, not compressed, with its root's \
             xmlns=\"http://www.w3.org/2000/svg\""
                .to_owned(),
        ),
    }
}

/// By the content, whatever the file is called: browsers are told not to guess.
fn format(content: &[u8]) -> Option<LogoFormat> {
    let is_webp = content.starts_with(b"RIFF") && content.get(8..12) == Some(b"WEBP");
    if content.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some(LogoFormat::Png)
    } else if is_webp {
        Some(LogoFormat::WebP)
    } else if std::str::from_utf8(content).is_ok_and(is_svg) {
        Some(LogoFormat::Svg)
    } else {
        None
    }
}

/// Whether the first element is `svg`, of SVG's namespace: without that a browser shows no picture.
fn is_svg(text: &str) -> bool {
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    loop {
        let end = if rest.starts_with("<?") {
            "?>"
        } else if rest.starts_with("<!--") {
            "-->"
        } else if rest.starts_with("<!DOCTYPE") {
            ">"
        } else {
            break;
        };
        match rest.split_once(end) {
            Some((_, after)) => rest = after.trim_start(),
            None => return false,
        }
    }
    let root = rest.split('>').next().unwrap_or_default();
    root.strip_prefix("<svg")
        .is_some_and(|attributes| attributes.starts_with(char::is_whitespace))
        && root.contains("http://www.w3.org/2000/svg")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SVG: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1 1\"/>";

    #[test]
    fn pictures_are_told_by_their_content() {
        for (content, expected) in [
            (
                b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(),
                Some(LogoFormat::Png),
            ),
            (b"RIFF\x10\0\0\0WEBPVP8L".to_vec(), Some(LogoFormat::WebP)),
            (SVG.into(), Some(LogoFormat::Svg)),
            (
                format!("\u{feff}<?xml version=\"1.0\"?>\n<!-- a > b -->\n<!DOCTYPE svg>\n{SVG}")
                    .into(),
                Some(LogoFormat::Svg),
            ),
            (b"<svg viewBox=\"0 0 1 1\"/>".to_vec(), None),
            (
                b"<html><svg xmlns=\"http://www.w3.org/2000/svg\"/></html>".to_vec(),
                None,
            ),
            (b"<!-- never ends".to_vec(), None),
            (b"\x1f\x8b\x08".to_vec(), None),
            (b"GIF89a".to_vec(), None),
            (b"\xff\xd8\xff\xe0".to_vec(), None),
            (Vec::new(), None),
        ] {
            assert_eq!(format(&content), expected, "{}", content.escape_ascii());
        }
    }

    #[test]
    fn a_logo_may_have_256_kib_and_not_a_byte_more() {
        let mut content = SVG.as_bytes().to_vec();
        content.resize(LOGO_BYTES_MAX, b' ');
        assert!(logo(content.clone()).is_ok());
        content.push(b' ');
        assert_eq!(
            logo(content),
            Err("must be a picture of at most 256 KiB; this one has more".to_owned())
        );
    }

    #[test]
    fn a_link_leads_to_a_page_and_nowhere_else() {
        for text in [
            "https://example.net",
            "http://192.0.2.1:81/a?b=c",
            "https://[2001:db8::1]/",
        ] {
            assert_eq!(sponsor_link(text), Ok(Some(text.to_owned())));
        }
        let long = format!("https://example.net/{}", "a".repeat(SPONSOR_LINK_BYTES_MAX));
        for text in [
            "javascript:alert(1)",
            "data:text/html,x",
            "ftp://example.net/",
            "//example.net/",
            "example.net",
            "/about",
            "https://",
            "https:///x",
            "https://a b/",
            "https://user:word@example.net/",
            &long,
        ] {
            assert!(sponsor_link(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_colour_has_six_hexadecimal_digits() {
        assert_eq!(accent_colour("#00AAff"), Ok(Some("#00aaff".to_owned())));
        for text in [
            "#fff", "00aaff", "#00aaf", "#00aaff0", "#00aafg", "red", "# 0aaff", "#ä0aff",
        ] {
            assert!(accent_colour(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_logo_comes_to_the_children_as_it_is() {
        let all: Vec<u8> = b"\x89PNG\r\n\x1a\n"
            .iter()
            .copied()
            .chain(0..=255)
            .collect();
        let sent = logo(all).unwrap();
        let text = serde_json::to_string(&sent).unwrap();
        assert_eq!(serde_json::from_str::<Logo>(&text).unwrap(), sent);
    }
}
