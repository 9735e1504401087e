//! Signatures of policies: minisign over the component's bytes, with a statement of what was signed in the trusted
//! comment, which the signature covers too. `minisign -Vm FILE -P KEY` verifies the same file.

use crate::artifact::{Artifact, Digest};
use minisign::{KeyPair, PublicKey, PublicKeyBox, SecretKeyBox, SignatureBox};
use serde::Serialize;
use std::io::Cursor;
use std::str::FromStr;
use thiserror::Error;

/// Characters of a key that is none which are shown.
const SHOWN: usize = 8;

/// What the trusted comment begins with.
const WORDS: &str = "dean policy";

/// What a signature states of the bytes that it covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// The policy's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The contract that it was built for.
    pub wit: String,
    /// Grows with everything that is signed under a name, so that nobody brings back what was replaced. At most
    /// [`Statement::LARGEST_SERIAL`].
    pub serial: u64,
    /// The SHA-256 of the bytes.
    pub sha256: Digest,
}

impl std::fmt::Display for Statement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Statement { name, version, wit, serial, sha256 } = self;
        write!(f, "{WORDS} name={name} version={version} wit={wit} serial={serial} sha256={sha256}")
    }
}

impl Statement {
    /// What databases have integers for.
    pub const LARGEST_SERIAL: u64 = i64::MAX as u64;

    fn parse(comment: &str) -> Option<Self> {
        let words = comment.strip_prefix(WORDS)?;
        let value = |key: &str| words.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        Some(Statement {
            name: value("name")?.into(),
            version: value("version")?.into(),
            wit: value("wit")?.into(),
            serial: value("serial")?.parse().ok().filter(|serial| *serial <= Self::LARGEST_SERIAL)?,
            sha256: Digest::parse(value("sha256")?)?,
        })
    }
}

/// Why a signature does not count, or a key cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SignatureError {
    /// It is no signature of a policy.
    #[error(
        "the signature of {origin} cannot be read: {reason}\n  hint: `dean policy sign` writes one beside the file"
    )]
    Unreadable {
        /// What it is about.
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// Nobody who is trusted signed it.
    #[error(
        "{origin} was signed by key {key}, which is not trusted{}\n  hint: put the signer's public key into policies.trusted_keys, if you trust it",
        trusted(.known)
    )]
    Untrusted {
        /// What it is about.
        origin: String,
        /// Who signed.
        key: String,
        /// Who is trusted.
        known: Vec<String>,
    },
    /// The bytes are not those that were signed.
    #[error(
        "{origin} is not what key {key} signed: its bytes or the signature were changed\n  hint: fetch or build it again"
    )]
    Wrong {
        /// What it is about.
        origin: String,
        /// Who signed.
        key: String,
    },
    /// The statement is about something else.
    #[error("the signature of {origin} is for {stated}, but the policy says that it is {found}\n  hint: sign it again")]
    Mismatch {
        /// What it is about.
        origin: String,
        /// What was stated.
        stated: String,
        /// What it is.
        found: String,
    },
    /// A key that is none.
    #[error("{0}")]
    Key(String),
}

fn trusted(known: &[String]) -> String {
    if known.is_empty() { " (no key is)".into() } else { format!(" (trusted: {})", known.join(", ")) }
}

/// A public key whose signatures count.
#[derive(Clone, Debug, PartialEq)]
pub struct TrustedKey(PublicKey);

impl FromStr for TrustedKey {
    type Err = SignatureError;

    /// Reads the line of Base64 that minisign calls a public key, or the whole text of its file.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let read = match text.contains('\n') {
            true => PublicKeyBox::from_string(text).and_then(PublicKeyBox::into_public_key),
            false => PublicKey::from_base64(text),
        };
        read.map(TrustedKey).map_err(|error| {
            // A secret key that was taken for the public one must not end on a screen.
            let shown: String = text.chars().take(SHOWN).collect();
            SignatureError::Key(match text.contains("secret key") {
                true => "this is a secret key\n  hint: the public one lies beside it, in FILE.pub".into(),
                false => format!("{shown:?}… is no public key of minisign ({error}); one begins with RW"),
            })
        })
    }
}

impl TrustedKey {
    /// The key's id, as minisign shows it.
    #[must_use]
    pub fn id(&self) -> String {
        key_id(self.0.keynum())
    }

    /// The line of Base64 that goes into a configuration.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.to_base64()
    }
}

/// Eight bytes, least first, as minisign writes them.
fn key_id(number: &[u8]) -> String {
    number.iter().rev().map(|byte| format!("{byte:02X}")).collect()
}

/// Whether a text is a signature at all, whoever signed.
///
/// # Errors
/// What is wrong with it.
pub fn readable(origin: &str, signature: &str) -> Result<(), SignatureError> {
    let unreadable =
        |error: minisign::PError| SignatureError::Unreadable { origin: origin.into(), reason: error.to_string() };
    SignatureBox::from_string(signature).map(drop).map_err(unreadable)
}

/// Verifies a signature against the keys that are trusted.
///
/// # Errors
/// Why it does not count.
pub fn verify(artifact: &Artifact, signature: &str, keys: &[TrustedKey]) -> Result<Statement, SignatureError> {
    let origin = || artifact.origin().to_string();
    let unreadable = |reason: String| SignatureError::Unreadable { origin: origin(), reason };
    let read = SignatureBox::from_string(signature).map_err(|error| unreadable(error.to_string()))?;
    let key = key_id(read.keynum());
    let Some(trusted) = keys.iter().find(|trusted| trusted.0.keynum() == read.keynum()) else {
        let known = keys.iter().map(TrustedKey::id).collect();
        return Err(SignatureError::Untrusted { origin: origin(), key, known });
    };
    let wrong = || SignatureError::Wrong { origin: origin(), key: key.clone() };
    minisign::verify(&trusted.0, &read, Cursor::new(artifact.bytes()), true, false, false).map_err(|_| wrong())?;
    let comment = read.trusted_comment().map_err(|error| unreadable(error.to_string()))?;
    let statement = Statement::parse(&comment);
    let statement = statement.ok_or_else(|| unreadable("its trusted comment is no statement of a policy".into()))?;
    if statement.sha256 == artifact.digest() { Ok(statement) } else { Err(wrong()) }
}

/// A key that signs, and its public half.
pub struct SigningKey {
    pair: KeyPair,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.public().id())
    }
}

impl SigningKey {
    /// Makes a new key: the text of its secret file, under a password where one is given, and its public half.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate(password: Option<String>) -> Result<(String, TrustedKey), SignatureError> {
        let failed = |error: minisign::PError| SignatureError::Key(error.to_string());
        let pair = match password {
            Some(_) => KeyPair::generate_encrypted_keypair(password),
            None => KeyPair::generate_unencrypted_keypair(),
        }
        .map_err(failed)?;
        let comment = "secret key of dean policy sign: whoever has it signs in your name";
        let secret = pair.sk.to_box(Some(comment)).map_err(failed)?;
        Ok((secret.to_string(), TrustedKey(pair.pk)))
    }

    /// Reads a secret key's file, with its password where it has one.
    ///
    /// # Errors
    /// When it is none, or the password is wrong or missing.
    pub fn read(text: &str, password: Option<String>) -> Result<Self, SignatureError> {
        let protected = password.is_some();
        let failed = |error: minisign::PError| {
            let hint = match protected {
                true => "DEAN_KEY_PASSWORD is set: it has to be this key's, and unset for one that has none",
                false => "if it has a password, set DEAN_KEY_PASSWORD",
            };
            SignatureError::Key(format!("the secret key cannot be used: {error}\n  hint: {hint}"))
        };
        let kept = SecretKeyBox::from_string(text).map_err(failed)?;
        let sk = match password {
            Some(password) => kept.into_secret_key(Some(password)),
            None => kept.into_unencrypted_secret_key(),
        }
        .map_err(failed)?;
        let pk = PublicKey::from_secret_key(&sk).map_err(failed)?;
        Ok(SigningKey { pair: KeyPair { pk, sk } })
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> TrustedKey {
        TrustedKey(self.pair.pk.clone())
    }

    /// Signs an artifact: the text of its signature's file.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn sign(&self, artifact: &Artifact, statement: &Statement) -> Result<String, SignatureError> {
        let untrusted = format!("signature of {} by key {}", artifact.origin(), self.public().id());
        let signed = minisign::sign(
            Some(&self.pair.pk),
            &self.pair.sk,
            Cursor::new(artifact.bytes()),
            Some(&statement.to_string()),
            Some(untrusted.lines().next().unwrap_or_default()),
        );
        signed.map(SignatureBox::into_string).map_err(|error| SignatureError::Key(error.to_string()))
    }
}
