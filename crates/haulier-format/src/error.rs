//! The one error of this crate.

use haulier_wire::kind::MixedKind;
use haulier_wire::layout::LayoutError;

/// Why something was refused. Carries no input text, so that it can be shown and logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Sealed bytes did not open. One variant for every reason: a finer one would help whoever forges them.
    #[error("the sealed bytes do not open: damaged, or not of this transfer")]
    Open,
    /// The key check does not match: another key or passphrase than the sender's.
    #[error("wrong key or passphrase")]
    WrongKey,
    /// A nonce prefix of zeros where a random one belongs.
    #[error("the iv prefix must not be all zero")]
    ZeroPrefix,
    /// A buffer that does not hold exactly the chunk's plaintext, or no such chunk.
    #[error("the buffer does not hold this chunk's plaintext")]
    SealLength,
    /// These write keys were bound to other sizes before.
    #[error("these keys belong to a transfer of other sizes")]
    LayoutBound,
    /// The saved keys contradict themselves.
    #[error("the saved state is damaged")]
    SavedKeys,
    /// Not a passphrase.
    #[error("a passphrase is 1 to 1024 bytes of text without control characters")]
    Passphrase,
    /// The key mode needs a passphrase and none was given.
    #[error("this transfer needs a passphrase")]
    PassphraseMissing,
    /// A passphrase was given for a key mode without one.
    #[error("this transfer has no passphrase")]
    PassphraseSurplus,
    /// The link's mode has a passphrase, but the server names no kdf.
    #[error("the server left out the kdf that the link calls for")]
    KdfMissing,
    /// The server names a kdf, but the link's mode has no passphrase.
    #[error("the server names a kdf that the link does not call for")]
    KdfSurplus,
    /// The manifest names another kdf than the one that the keys were made with.
    #[error("the server named two different kdfs")]
    KdfChanged,
    /// Not a link.
    #[error("that is not a link of this system")]
    Link,
    /// The link has an id but no key, where a key belongs.
    #[error("the link has no key: part of it is missing")]
    LinkKeyMissing,
    /// The link's key is not 43 characters of canonical base64url.
    #[error("the link's key is damaged: it must be 43 characters, and a part may be missing")]
    LinkKey,
    /// The link is a friendly token of the legacy system.
    #[error("the link is a friendly token of the legacy system")]
    FriendlyToken,
    /// Not an http or https address with an optional port and path.
    #[error("a server's address is http:// or https://, a host, and perhaps a port and a path")]
    Base,
    /// The server answered for another transfer.
    #[error("the server answered for another transfer")]
    OtherTransfer,
    /// The manifest's numbers contradict each other.
    #[error("the manifest's numbers contradict each other: {0}")]
    Layout(#[from] LayoutError),
    /// One blob of the legacy system where chunks belong.
    #[error("the transfer is one blob of the legacy system, without chunks")]
    NotChunked,
    /// last_chunk_size does not follow from the other numbers.
    #[error("the manifest's last_chunk_size contradicts its other numbers")]
    LastChunkSize,
    /// The manifest is neither FULL nor SEED.
    #[error("the manifest is of neither kind: {0}")]
    Kind(#[from] MixedKind),
    /// A SEED manifest where the link's mode has a passphrase.
    #[error("the link has a passphrase, and the manifest is of a kind without one")]
    SeedWithPassphrase,
    /// sealed_metadata outside 28 bytes to 1 MiB.
    #[error("sealed_metadata has an impossible size")]
    SealedMetadataSize,
    /// key_check is not 32 bytes.
    #[error("key_check must be 32 bytes")]
    KeyCheckSize,
    /// Metadata that is not the one canonical text, or breaks a rule of its members.
    #[error("the sealed metadata breaks the format's rules")]
    Metadata,
    /// Sealed, the metadata would be longer than 1 MiB.
    #[error("the list of files is too long: more than 1 MiB")]
    MetadataTooLarge,
    /// The server's manifest and the sender's sealed metadata name different numbers.
    #[error("the server's numbers are not the sender's")]
    MetadataMismatch,
    /// A path that the format forbids.
    #[error("a file's path is not allowed")]
    Path,
    /// Files that do not make up the payload, too many or none, one path twice, or a file that is also a folder.
    #[error("the list of files contradicts itself")]
    Files,
}
