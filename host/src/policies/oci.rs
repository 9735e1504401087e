//! Policies in registries of containers: one `application/wasm` layer, as other tools for WebAssembly push and pull
//! them, and the signature as an annotation of the manifest.

use super::fetch::{FetchError, Fetched, LARGEST};
use dean_policy::{Artifact, Policy};
use oci_client::Reference;
use oci_client::client::{Client, ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::manifest::OciImageManifest;
use oci_client::secrets::RegistryAuth;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::time::Duration;

/// What an address of a registry begins with.
pub(super) const SCHEME: &str = "oci://";
const LAYER: &str = "application/wasm";
/// What the format of WebAssembly artifacts calls a config.
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// The annotation that holds the signature's text, percent-encoded: manifests are written as canonical JSON, which
/// leaves line breaks as they are, and registries refuse those.
const SIGNATURE: &str = "dev.dean.policy.minisig";
const TIMEOUT: Duration = Duration::from_secs(60);
/// All of a pull or a push: whoever sends a byte a minute does not keep a command busy for ever.
const TOTAL: Duration = Duration::from_secs(600);

/// Who asks a registry; without a name nobody in particular.
#[derive(Clone, Debug, Default)]
pub struct Login {
    /// The registry whose user it is, `registry.example.com` or with a port: no other is told.
    pub host: Option<String>,
    /// The user's name.
    pub user: Option<String>,
    /// Their password or token.
    pub password: Option<SecretString>,
}

impl Login {
    fn auth(&self, reference: &Reference) -> RegistryAuth {
        match (&self.host, &self.user, &self.password) {
            (Some(host), Some(user), Some(password)) if host == reference.registry() => {
                RegistryAuth::Basic(user.clone(), password.expose_secret().to_string())
            }
            _ => RegistryAuth::Anonymous,
        }
    }
}

const NOT_THERE: &str = "check the repository and the tag";
const NOT_ALLOWED: &str = "set DEAN_REGISTRY_HOST to this registry, and DEAN_REGISTRY_USER and DEAN_REGISTRY_PASSWORD to who may do that there";

fn failed(url: &str, error: &OciDistributionError) -> FetchError {
    let hint = match error {
        OciDistributionError::AuthenticationFailure(_)
        | OciDistributionError::UnauthorizedError { .. }
        | OciDistributionError::ServerError { code: 401 | 403, .. } => NOT_ALLOWED,
        OciDistributionError::ImageManifestNotFoundError(_) => NOT_THERE,
        OciDistributionError::RegistryError { envelope, .. } => {
            match envelope.errors.first().map(|error| &error.code) {
                Some(OciErrorCode::ManifestUnknown | OciErrorCode::NameUnknown | OciErrorCode::NotFound) => NOT_THERE,
                Some(OciErrorCode::Unauthorized | OciErrorCode::Denied) => NOT_ALLOWED,
                _ => "ask whoever runs the registry",
            }
        }
        _ => {
            let hint = "check the registry's address and the network".into();
            return FetchError::Unreached { url: url.into(), reason: error.to_string().trim().into(), hint };
        }
    };
    FetchError::Address { url: url.into(), reason: error.to_string().trim().into(), hint: hint.into() }
}

/// A client and the reference of an address. Registries on this machine are asked without TLS.
fn open(url: &str) -> Result<(Client, Reference), FetchError> {
    let wrong = |reason: String| {
        let hint = "write it like oci://registry.example.com/policies/testing:1.0.0".to_string();
        FetchError::Address { url: url.into(), reason, hint }
    };
    let named = url.strip_prefix(SCHEME).unwrap_or(url);
    let reference: Reference =
        named.parse().map_err(|error| wrong(format!("it is no address of a registry: {error}")))?;
    // A second call finds it installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let registry = reference.resolve_registry().to_string();
    let host = registry.rsplit_once(':').map_or(registry.as_str(), |(host, _)| host);
    let local = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    let config = ClientConfig {
        protocol: if local { ClientProtocol::HttpsExcept(vec![registry]) } else { ClientProtocol::Https },
        read_timeout: Some(TIMEOUT),
        connect_timeout: Some(TIMEOUT),
        user_agent: concat!("dean/", env!("CARGO_PKG_VERSION")),
        ..ClientConfig::default()
    };
    let client = Client::try_from(config).map_err(|error| failed(url, &error))?;
    Ok((client, reference))
}

/// What comes of asking a registry, unless it takes too long.
async fn in_time<T>(url: &str, asked: impl Future<Output = Result<T, FetchError>>) -> Result<T, FetchError> {
    let late = |_| FetchError::Unreached {
        url: url.into(),
        reason: format!("the registry was not done within {} s", TOTAL.as_secs()),
        hint: "check the network, or ask whoever runs the registry".into(),
    };
    tokio::time::timeout(TOTAL, asked).await.map_err(late)?
}

/// Fetches a policy from a registry.
pub(super) async fn pull(url: &str, login: &Login) -> Result<Fetched, FetchError> {
    in_time(url, pull_whole(url, login)).await
}

async fn pull_whole(url: &str, login: &Login) -> Result<Fetched, FetchError> {
    let (client, reference) = open(url)?;
    let asked = client.pull_image_manifest(&reference, &login.auth(&reference)).await;
    let (manifest, _) = asked.map_err(|error| failed(url, &error))?;
    let refuse = |reason: String| {
        let hint = "`dean policy push` pushes a policy".to_string();
        FetchError::Address { url: url.into(), reason, hint }
    };
    let layers: Vec<_> = manifest.layers.iter().filter(|layer| layer.media_type == LAYER).collect();
    let [layer] = layers.as_slice() else {
        return Err(refuse(format!("it holds {} layers of type {LAYER}, where a policy is one", layers.len())));
    };
    let size = usize::try_from(layer.size).ok().filter(|size| *size as u64 <= LARGEST);
    let size = size.ok_or_else(|| refuse(format!("its layer is said to have {} bytes", layer.size)))?;
    // What the manifest promises and no more: a registry that sends more fails here, and not this machine's memory.
    let mut bytes = vec![0; size];
    let mut into = std::io::Cursor::new(bytes.as_mut_slice());
    client.pull_blob(&reference, *layer, &mut into).await.map_err(|error| failed(url, &error))?;
    let signature = manifest.annotations.and_then(|annotations| decoded(annotations.get(SIGNATURE)?));
    Ok(Fetched { artifact: Artifact::new(url, bytes), signature })
}

/// A signature's text as it was before it became an annotation.
fn decoded(annotation: &str) -> Option<String> {
    form_urlencoded::parse(format!("signature={annotation}").as_bytes()).next().map(|(_, text)| text.into_owned())
}

/// Pushes a policy to a registry, with its signature; the address of what was pushed.
///
/// # Errors
/// When the registry refuses.
pub async fn push(policy: &Policy, signature: Option<&str>, url: &str, login: &Login) -> Result<String, FetchError> {
    let (client, reference) = open(url)?;
    let manifest = policy.manifest();
    let layer = ImageLayer::new(policy.artifact().bytes().to_vec(), LAYER.into(), None);
    let described = serde_json::json!({
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [layer.sha256_digest()],
        "component": {"exports": policy.inspection().exports, "imports": policy.inspection().imports},
    });
    let config = Config::new(described.to_string(), CONFIG.into(), None);
    let mut annotations = BTreeMap::from([
        ("org.opencontainers.image.title".to_string(), manifest.name.clone()),
        ("org.opencontainers.image.version".to_string(), manifest.version.clone()),
        (
            "org.opencontainers.image.description".to_string(),
            manifest.doc.split_whitespace().collect::<Vec<_>>().join(" "),
        ),
    ]);
    let encoded = |signature: &str| form_urlencoded::byte_serialize(signature.as_bytes()).collect::<String>();
    annotations.extend(signature.map(|signature| (SIGNATURE.to_string(), encoded(signature))));
    let layers = [layer];
    let built = OciImageManifest::build(&layers, &config, Some(annotations));
    in_time(url, async {
        let pushed = client.push(&reference, &layers, config, &login.auth(&reference), Some(built)).await;
        pushed.map(|pushed| pushed.manifest_url).map_err(|error| failed(url, &error))
    })
    .await
}
