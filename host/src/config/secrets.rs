//! Secrets: from the environment only, wrapped so that no log and no `Debug` shows them.

use super::error::ConfigError;
use secrecy::SecretString;

/// What must never be seen.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// FB_ACCESS_TOKEN
    pub access_token: Option<SecretString>,
    /// FB_APP_SECRET
    pub app_secret: Option<SecretString>,
    /// SUPABASE_SERVICE_ROLE_KEY
    pub supabase_key: Option<SecretString>,
    /// SLACK_WEBHOOK_URL
    pub slack_webhook: Option<SecretString>,
    /// DEAN_REGISTRY_PASSWORD
    pub registry_password: Option<SecretString>,
    /// DEAN_KEY_PASSWORD
    pub key_password: Option<SecretString>,
    /// DATABASE_URL
    pub database_url: Option<SecretString>,
}

impl Secrets {
    /// The access token, which nothing works without.
    ///
    /// # Errors
    /// When it is not set.
    pub fn access_token(&self) -> Result<SecretString, ConfigError> {
        self.access_token.clone().ok_or(ConfigError::Missing {
            variable: "FB_ACCESS_TOKEN",
            hint: "put it into the environment or into .env; `dean demo` needs none",
        })
    }
}
