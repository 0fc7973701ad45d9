//! Which transfer a person means: a link, an id, or as much of one as is needed.

use haulier_format::Link;
use haulier_wire::TransferId;

use super::Owned;

/// Fewer digits are taken for a slip.
const FEWEST_DIGITS: usize = 6;

/// Why it is not clear which transfer is meant. Carries nothing of a link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChooseError {
    /// Neither a link nor digits of an id.
    #[error("this is neither a link nor an id")]
    NotAnId,
    /// Too few digits.
    #[error("an id needs at least {FEWEST_DIGITS} of its digits")]
    TooShort,
    /// Nothing that this machine sent begins with these digits.
    #[error("nothing that this machine sent has an id that begins with {digits}")]
    Unknown {
        /// What was given.
        digits: String,
    },
    /// Several begin with these digits.
    #[error("{count} ids begin with {digits}")]
    Ambiguous {
        /// What was given.
        digits: String,
        /// How many fit.
        count: usize,
    },
}

impl Owned {
    /// Finds the transfer that is meant: by a link, by a whole id (known here or not), or by the beginning of one.
    ///
    /// # Errors
    /// [`ChooseError`] says why none, or not one alone, is meant.
    pub fn choose(&self, wanted: &str) -> Result<TransferId, ChooseError> {
        let wanted = wanted.trim();
        if wanted.is_empty() || !wanted.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Link::parse(wanted).map(|link| link.id).map_err(|_| ChooseError::NotAnId);
        }
        let digits = wanted.to_ascii_lowercase();
        if digits.len() < FEWEST_DIGITS {
            return Err(ChooseError::TooShort);
        }
        let fitting: Vec<TransferId> = self.ids().filter(|id| id.as_str().starts_with(&digits)).collect();
        match fitting[..] {
            [id] => Ok(id),
            // The whole of an id is clear, also where nothing is known of it; so is the shorter of two kinds.
            _ => digits.parse().map_err(|_| match fitting.len() {
                0 => ChooseError::Unknown { digits },
                count => ChooseError::Ambiguous { digits, count },
            }),
        }
    }

    /// All ids that are known here.
    pub fn ids(&self) -> impl Iterator<Item = TransferId> {
        let sent = self.transfers.iter().map(|transfer| transfer.transfer_id);
        sent.chain(self.uploads.iter().map(|upload| upload.transfer_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owned::{SentTransfer, UnfinishedUpload};

    fn id(text: &str) -> TransferId {
        text.parse().unwrap()
    }

    fn known() -> Owned {
        let sent = |text| SentTransfer {
            transfer_id: id(text),
            server: "https://a".into(),
            name: "a".into(),
            file_size: 1,
            sent_at: haulier_wire::Timestamp::UNIX_EPOCH,
            expires_at: None,
            max_downloads: None,
            is_legacy: false,
        };
        let upload = UnfinishedUpload {
            transfer_id: id("cccccc00000000000000000000000003"),
            server: "https://a".into(),
            name: "b".into(),
            can_go_on: true,
            file_size: 1,
            total_chunks: 1,
            sealed_chunks: 0,
            in_use: false,
            begun_at: None,
        };
        Owned {
            transfers: vec![sent("aaaaaa00000000000000000000000001"), sent("aaaaaabb000000000000000000000002")],
            uploads: vec![upload],
            damaged: vec![],
        }
    }

    #[test]
    fn what_is_meant() {
        let known = known();
        let key = "A".repeat(43);
        let digits = |text: &str| text.to_owned();
        for (wanted, expected) in [
            ("aaaaaa00", Ok("aaaaaa00000000000000000000000001")),
            ("AAAAAABB", Ok("aaaaaabb000000000000000000000002")),
            (" cccccc\n", Ok("cccccc00000000000000000000000003")),
            ("aaaaaa00000000000000000000000001", Ok("aaaaaa00000000000000000000000001")),
            ("dddddddddddddddddddddddddddddddd", Ok("dddddddddddddddddddddddddddddddd")),
            ("dddddddddddd", Ok("dddddddddddd")),
            ("aaaaaa", Err(ChooseError::Ambiguous { digits: digits("aaaaaa"), count: 2 })),
            ("dddddd", Err(ChooseError::Unknown { digits: digits("dddddd") })),
            ("ccccc", Err(ChooseError::TooShort)),
            ("", Err(ChooseError::NotAnId)),
            ("video.mp4", Err(ChooseError::NotAnId)),
            ("https://a/", Err(ChooseError::NotAnId)),
        ] {
            assert_eq!(known.choose(wanted), expected.map(id), "{wanted}");
        }
        let link = format!("https://a/#eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee/{key}");
        assert_eq!(known.choose(&link), Ok(id("eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee")));
    }
}
