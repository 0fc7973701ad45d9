//! Links: what a person passes on, and what alone fixes the key mode (docs/FORMAT.md, "Links").

use std::fmt;

use haulier_wire::TransferId;
use haulier_wire::encoding::{from_base64url, to_base64url};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::secret::LinkKey;

/// Longest link and longest server address, in bytes.
pub const MAX_LINK_BYTES: usize = 2048;
/// Characters of a key.
const KEY_CHARS: usize = 43;
/// The pages of the legacy system, after which its links have their fragment.
const LEGACY_ROUTES: [&str; 5] = ["download", "gallery", "browse", "view", "v"];
/// The page that links of ours lead to: every one of its clients since v0.2 has it.
const LEGACY_PAGE: &str = "/en-gb/download";

/// From what the file key is made (docs/FORMAT.md, "Keys").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyMode {
    /// From the link's key alone.
    Link,
    /// From the link's key and a passphrase, both needed.
    LinkPassphrase,
    /// From a passphrase alone: the link is public.
    Passphrase,
}

impl KeyMode {
    /// Whether the mode has a passphrase, and so the manifest a kdf.
    #[must_use]
    pub fn has_passphrase(self) -> bool {
        self != Self::Link
    }
}

/// Checks that a kdf is there exactly when the link's mode has a passphrase; to be called before one is asked for.
///
/// # Errors
/// [`Error::KdfMissing`] and [`Error::KdfSurplus`].
pub fn expect_kdf(mode: KeyMode, has_kdf: bool) -> Result<(), Error> {
    match (mode.has_passphrase(), has_kdf) {
        (true, false) => Err(Error::KdfMissing),
        (false, true) => Err(Error::KdfSurplus),
        _ => Ok(()),
    }
}

/// The key mode, with the key where the link holds one.
#[derive(Debug)]
pub enum LinkMode {
    /// `#ID/KEY`
    Link(LinkKey),
    /// `#ID/KEY/p`
    LinkPassphrase(LinkKey),
    /// `#ID`
    Passphrase,
}

impl LinkMode {
    /// The mode without the key.
    #[must_use]
    pub fn key_mode(&self) -> KeyMode {
        match self {
            Self::Link(_) => KeyMode::Link,
            Self::LinkPassphrase(_) => KeyMode::LinkPassphrase,
            Self::Passphrase => KeyMode::Passphrase,
        }
    }

    /// The key, where the link holds one.
    #[must_use]
    pub fn key(&self) -> Option<&LinkKey> {
        match self {
            Self::Link(key) | Self::LinkPassphrase(key) => Some(key),
            Self::Passphrase => None,
        }
    }
}

/// A link to one transfer.
#[derive(Debug)]
pub struct Link {
    /// The server: scheme, host, and perhaps port and path, without a slash at the end.
    pub base: String,
    /// The transfer.
    pub id: TransferId,
    /// The key mode and the key.
    pub mode: LinkMode,
}

impl Link {
    /// Reads a link that names a transfer and its key mode.
    ///
    /// # Errors
    /// Those of [`LinkTarget::parse`], [`Error::LinkKeyMissing`] for a legacy id alone, [`Error::FriendlyToken`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        match LinkTarget::parse(text)? {
            LinkTarget::Transfer(link) => Ok(link),
            LinkTarget::IdOnly { .. } => Err(Error::LinkKeyMissing),
            LinkTarget::FriendlyToken { .. } => Err(Error::FriendlyToken),
        }
    }

    /// Writes the link: `{base}/#ID`, `{base}/#ID/KEY` or `{base}/#ID/KEY/p`. It holds the key: for the user alone.
    #[must_use]
    pub fn format(&self) -> String {
        format_link(&self.base, &self.id, self.mode.key(), self.mode.key_mode())
    }
}

pub(crate) fn format_link(base: &str, id: &TransferId, key: Option<&LinkKey>, mode: KeyMode) -> String {
    // Reserved at once: a string that grew would leave unwiped copies of the key behind.
    let mut text = String::with_capacity(base.len() + TransferId::LEN + KEY_CHARS + 8);
    text.push_str(base);
    text.push_str("/#");
    text.push_str(id.as_str());
    if let Some(key) = key {
        text.push('/');
        text.push_str(&Zeroizing::new(to_base64url(key.expose())));
    }
    if mode == KeyMode::LinkPassphrase {
        text.push_str("/p");
    }
    text
}

/// Writes a link of the legacy system, `{base}/en-gb/download/#ID/KEY`: what its web client opens. It holds the key: for
/// the user alone.
#[must_use]
pub fn format_legacy_link(base: &str, id: &TransferId, key: &LinkKey) -> String {
    format_link(&format!("{base}{LEGACY_PAGE}"), id, Some(key), KeyMode::Link)
}

/// What a text that should be a link points to.
#[derive(Debug)]
pub enum LinkTarget {
    /// A transfer, with its key mode: ours, SEED or a legacy blob.
    Transfer(Link),
    /// A transfer of the legacy system whose key travels apart: `#ID` or `?id=ID` with 12 digits.
    IdOnly {
        /// The server.
        base: String,
        /// The transfer, 12 digits.
        id: TransferId,
    },
    /// The legacy system's `word-word-1234`: about 30 bits, for reading only.
    FriendlyToken {
        /// The server.
        base: String,
        /// The token, as secret as a key.
        token: FriendlyToken,
    },
}

/// The text of a legacy friendly token, wiped on drop and redacted in `Debug`.
pub struct FriendlyToken(Zeroizing<String>);

impl FriendlyToken {
    /// Shows `word-word-1234`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for FriendlyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FriendlyToken(..)")
    }
}

impl LinkTarget {
    /// Reads a link in any accepted form. White space around it is the caller's to remove.
    ///
    /// # Errors
    /// [`Error::Base`] for the part before the fragment, [`Error::LinkKey`] for a damaged key, else [`Error::Link`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_LINK_BYTES {
            return Err(Error::Link);
        }
        let (address, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (address, query) = match address.split_once('?') {
            Some((address, query)) => (address, Some(query)),
            None => (address, None),
        };
        let base = parse_base(address)?;
        match query {
            Some(query) if fragment.is_empty() => {
                let id = query.strip_prefix("id=").ok_or(Error::Link)?;
                id_only(legacy_base(base), parse_id(id)?)
            }
            // An access token that its sender's page left there. It is nothing to a reader, and goes no further.
            Some(query) if query.starts_with("token=") && is_legacy(fragment) => parse_fragment(base, fragment),
            Some(_) => Err(Error::Link),
            None => parse_fragment(base, fragment),
        }
    }
}

/// Whether a fragment is the legacy system's: a friendly token, or an id of 12 digits before anything else.
fn is_legacy(fragment: &str) -> bool {
    let first = fragment.split(['/', '|']).next().unwrap_or_default();
    is_friendly(first) || parse_id(first).is_ok_and(|id| id.is_legacy())
}

fn parse_fragment(base: String, fragment: &str) -> Result<LinkTarget, Error> {
    // Behind it the legacy system's pages name what to show first.
    let fragment = if is_legacy(fragment) { fragment.split('|').next().unwrap_or_default() } else { fragment };
    if is_friendly(fragment) {
        let token = FriendlyToken(Zeroizing::new(fragment.to_owned()));
        return Ok(LinkTarget::FriendlyToken { base: legacy_base(base), token });
    }
    let mut parts = fragment.split('/');
    let id = parse_id(parts.next().unwrap_or_default())?;
    let mode = match (parts.next(), parts.next(), parts.next()) {
        (None, ..) if id.is_legacy() => return id_only(legacy_base(base), id),
        (None, ..) => LinkMode::Passphrase,
        (Some(key), None, _) => LinkMode::Link(parse_key(key)?),
        (Some(key), Some("p"), None) if !id.is_legacy() => LinkMode::LinkPassphrase(parse_key(key)?),
        _ => return Err(Error::Link),
    };
    let base = if id.is_legacy() { legacy_base(base) } else { base };
    Ok(LinkTarget::Transfer(Link { base, id, mode }))
}

fn id_only(base: String, id: TransferId) -> Result<LinkTarget, Error> {
    // A query reaches the server and its logs: ids of 32 digits stand in the fragment alone.
    if id.is_legacy() { Ok(LinkTarget::IdOnly { base, id }) } else { Err(Error::Link) }
}

fn parse_id(text: &str) -> Result<TransferId, Error> {
    text.parse().map_err(|_| Error::Link)
}

fn parse_key(text: &str) -> Result<LinkKey, Error> {
    let bytes = Zeroizing::new(from_base64url(text).ok_or(Error::LinkKey)?);
    let bytes = bytes.as_slice().try_into().map_err(|_| Error::LinkKey)?;
    Ok(LinkKey::from_array(bytes))
}

fn is_friendly(text: &str) -> bool {
    let word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    let number = |number: &str| number.len() == 4 && number.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = text.split('-');
    let parts = [parts.next(), parts.next(), parts.next(), parts.next()];
    matches!(parts, [Some(first), Some(second), Some(last), None] if word(first) && word(second) && number(last))
}

/// Checks a server's address and writes it the one way that links have: scheme and host in lower case, no slash at the
/// end.
///
/// # Errors
/// [`Error::Base`] for other schemes than http and https, credentials, a query, a fragment, or characters that a URL
/// does not hold in clear.
pub fn parse_base(text: &str) -> Result<String, Error> {
    let (scheme, rest) = text.split_once("://").ok_or(Error::Base)?;
    let scheme = scheme.to_ascii_lowercase();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = path.strip_suffix('/').unwrap_or(path);
    let sound = text.len() <= MAX_LINK_BYTES
        && (scheme == "https" || scheme == "http")
        && is_authority(authority)
        && (path.is_empty() || path[1..].split('/').all(is_url_segment));
    if sound { Ok(format!("{scheme}://{}{path}", authority.to_ascii_lowercase())) } else { Err(Error::Base) }
}

fn is_authority(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(name),
    };
    host && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number > 0 && number.to_string() == port))
}

fn is_url_segment(segment: &str) -> bool {
    let clear = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%".contains(&byte);
    !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(clear)
}

/// Takes the legacy system's `/<locale>/<route>`, or its older `/send/.../<page>.html`, off the end of an address.
fn legacy_base(base: String) -> String {
    let page = base.rsplit_once('/').is_some_and(|(_, page)| page.ends_with(".html"));
    if page && let Some((rest, _)) = base.split_once("/send/v") {
        return rest.to_owned();
    }
    let mut parts = base.rsplitn(3, '/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(route), Some(locale), Some(rest))
            if LEGACY_ROUTES.contains(&route) && is_locale(locale) && !rest.ends_with('/') =>
        {
            rest.to_owned()
        }
        _ => base,
    }
}

fn is_locale(text: &str) -> bool {
    let (language, region) = text.split_once('-').unwrap_or((text, "xx"));
    let letters = |part: &str| part.bytes().all(|byte| byte.is_ascii_lowercase());
    matches!(language.len(), 2 | 3) && matches!(region.len(), 2..=4) && letters(language) && letters(region)
}

#[cfg(test)]
mod tests;
