//! `dean policy keygen`, `sign` and `verify`: who stands behind a policy.

use super::super::context::Context;
use super::super::output::{self, Usage};
use super::super::{Ended, Global};
use crate::config::Environment;
use crate::policies;
use clap::Args;
use dean_policy::{SigningKey, Statement, TrustedKey};
use secrecy::ExposeSecret;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(in crate::cli) struct KeygenArgs {
    /// Where the secret key goes; the public one goes beside it, as FILE.pub
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SignArgs {
    /// The component; its signature goes beside it, as FILE.minisig
    file: PathBuf,
    /// The secret key's file; its password is taken from DEAN_KEY_PASSWORD
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Grows with every policy that is signed under its name; otherwise the seconds since 1970
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=Statement::LARGEST_SERIAL))]
    serial: Option<u64>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct VerifyArgs {
    /// The component
    file: PathBuf,
    /// A public key, or its file; otherwise those of policies.trusted_keys count
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
}

/// The password of a key, from the environment.
fn password() -> anyhow::Result<Option<String>> {
    let secrets = Environment::read(Path::new(".env"))?.secrets();
    Ok(secrets.key_password.map(|password| password.expose_secret().to_string()))
}

pub(super) fn keygen(global: &Global, args: &KeygenArgs) -> anyhow::Result<Ended> {
    let password = password()?;
    let locked = password.is_some();
    let (secret, public) = SigningKey::generate(password)?;
    let beside = PathBuf::from(format!("{}.pub", args.file.display()));
    if beside.exists() {
        let message = format!("{} is there already\n  hint: name another file for the key", beside.display());
        return Err(Usage(message).into());
    }
    write_secret(&args.file, &secret)?;
    let text = format!("untrusted comment: public key {} of dean policy\n{}\n", public.id(), public.text());
    std::fs::write(&beside, text).map_err(|error| anyhow::anyhow!("{}: {error}", beside.display()))?;
    if global.json {
        output::json(&json!({"key": public.text(), "id": public.id(), "secret": args.file, "public": beside}));
        return Ok(Ended::Done);
    }
    output::line(&format!("The secret key is in {}: whoever has it signs in your name.", args.file.display()));
    if !locked {
        output::line("It has no password; with DEAN_KEY_PASSWORD set it gets one.");
    }
    output::line(&format!("The public key {}, for whoever shall trust it:\n", public.id()));
    output::line(&format!("[policies]\nrequire_signed = true\ntrusted_keys = [\"{}\"]", public.text()));
    Ok(Ended::Done)
}

/// Writes a file that only this user may read, and that was not there.
fn write_secret(file: &Path, text: &str) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(file).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            let message = format!(
                "{} is there already\n  hint: a key that is lost cannot be made again; name another",
                file.display()
            );
            Usage(message).into()
        }
        _ => anyhow::anyhow!("{}: {error}", file.display()),
    })
}

pub(super) fn sign(global: &Global, args: &SignArgs) -> anyhow::Result<Ended> {
    let policy = super::load(global, &args.file)?;
    let text = std::fs::read_to_string(&args.key).map_err(|error| {
        Usage(format!("{}: {error}\n  hint: `dean policy keygen FILE` makes a key", args.key.display()))
    })?;
    let key = SigningKey::read(&text, password()?)?;
    let manifest = policy.manifest();
    let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default();
    let statement = Statement {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        wit: policy.inspection().wit.clone().unwrap_or_default(),
        serial: args.serial.unwrap_or(now),
        sha256: policy.digest(),
    };
    let signature = key.sign(policy.artifact(), &statement)?;
    let beside = PathBuf::from(format!("{}.minisig", args.file.display()));
    std::fs::write(&beside, signature).map_err(|error| anyhow::anyhow!("{}: {error}", beside.display()))?;
    if global.json {
        output::json(&json!({"signature": beside, "key": key.public().id(), "statement": statement}));
    } else {
        let Statement { name, version, serial, sha256, .. } = &statement;
        let key = key.public().id();
        output::line(&format!(
            "{}: {name}@{version}, serial {serial}, sha256 {sha256}, by key {key}",
            beside.display()
        ));
    }
    Ok(Ended::Done)
}

pub(super) fn verify(global: &Global, args: &VerifyArgs) -> anyhow::Result<Ended> {
    let policy = super::load(global, &args.file)?;
    let keys = match args.key.as_slice() {
        [] => policies::trusted_keys(&Context::load(global)?.effective)?,
        named => named.iter().map(|named| key(named)).collect::<Result<_, _>>()?,
    };
    let beside = format!("{}.minisig", args.file.display());
    let signature = std::fs::read_to_string(&beside)
        .map_err(|error| Usage(format!("{beside}: {error}\n  hint: `dean policy sign` writes it")))?;
    let statement = policies::verified(&policy, &signature, &keys)?;
    if global.json {
        output::json(&json!({"verified": true, "statement": statement}));
    } else {
        let Statement { name, version, serial, sha256, .. } = &statement;
        output::line(&format!("{name}@{version}, serial {serial}, sha256 {sha256}: signed by a trusted key"));
    }
    Ok(Ended::Done)
}

/// A key as it is written, or the file that it is in.
fn key(named: &str) -> anyhow::Result<TrustedKey> {
    let text = std::fs::read_to_string(named).unwrap_or_else(|_| named.into());
    Ok(text.parse()?)
}
