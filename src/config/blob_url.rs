//! HAULIER_BLOB_URL: a folder, or a part of a bucket.

use std::path::PathBuf;

use anyhow::{anyhow, bail, ensure};
use url::Url;

const EXPECTED: &str = "HAULIER_BLOB_URL: expected file:///FOLDER or s3://BUCKET/PREFIX?endpoint=URL&region=NAME&path_style=BOOL&create=BOOL";

/// Where the chunks are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobLocation {
    /// In a folder of this machine.
    Folder(PathBuf),
    /// In a bucket.
    S3(S3Location),
}

/// A part of a bucket, and how its store is reached. Holds no credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Location {
    /// The bucket.
    pub bucket: String,
    /// What stands before every key: empty, or ending in a slash.
    pub prefix: String,
    /// The store's address; AWS's own when absent.
    pub endpoint: Option<Url>,
    /// The region to sign for; what the AWS settings say when absent.
    pub region: Option<String>,
    /// The bucket goes into the path and not into the host name.
    pub path_style: bool,
    /// Make the bucket if it is not there.
    pub create: bool,
}

impl BlobLocation {
    /// Reads the URL. It may hold a secret by mistake: an error never repeats it.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let url = Url::parse(text).map_err(|_| anyhow!(EXPECTED))?;
        match url.scheme() {
            "file" => Ok(Self::Folder(url.to_file_path().map_err(|()| anyhow!(EXPECTED))?)),
            "s3" => Ok(Self::S3(S3Location::new(&url)?)),
            _ => bail!(EXPECTED),
        }
    }
}

impl S3Location {
    /// Where the store is, for people.
    #[must_use]
    pub fn address(&self) -> &str {
        self.endpoint.as_ref().map_or("Amazon S3", Url::as_str)
    }

    fn new(url: &Url) -> anyhow::Result<Self> {
        refuse_password(url)?;
        let bucket = url.host_str().unwrap_or_default();
        ensure!(url.port().is_none() && url.fragment().is_none() && is_name(bucket), EXPECTED);
        let path = url.path().trim_matches('/');
        ensure!(
            path.is_empty() || path.split('/').all(is_name),
            "HAULIER_BLOB_URL: the prefix may hold letters, digits, '.', '-', '_' and single slashes"
        );
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let mut location =
            Self { bucket: bucket.to_owned(), prefix, endpoint: None, region: None, path_style: false, create: false };
        location.take_options(url)?;
        Ok(location)
    }

    fn take_options(&mut self, url: &Url) -> anyhow::Result<()> {
        let mut path_style = None;
        let mut seen = Vec::new();
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                "endpoint" => self.endpoint = Some(endpoint(&value)?),
                "region" => {
                    ensure!(is_name(&value), "HAULIER_BLOB_URL: region: expected a name such as eu-central-1");
                    self.region = Some(value.into_owned());
                }
                "path_style" => path_style = Some(boolean("path_style", &value)?),
                "create" => self.create = boolean("create", &value)?,
                _ => bail!("HAULIER_BLOB_URL: after ? there may be endpoint, region, path_style and create"),
            }
            ensure!(!seen.contains(&name), "HAULIER_BLOB_URL: {name} is there twice");
            seen.push(name);
        }
        // Few stores of one's own have a host name for each bucket.
        self.path_style = path_style.unwrap_or(self.endpoint.is_some());
        Ok(())
    }
}

fn refuse_password(url: &Url) -> anyhow::Result<()> {
    ensure!(
        url.username().is_empty() && url.password().is_none(),
        "HAULIER_BLOB_URL: must not hold credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    );
    Ok(())
}

fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    !text.is_empty() && text.bytes().all(is_plain) && text != "." && text != ".."
}

fn endpoint(text: &str) -> anyhow::Result<Url> {
    let expected = "HAULIER_BLOB_URL: endpoint: expected http:// or https:// and a host";
    let url = Url::parse(text).map_err(|_| anyhow!(expected))?;
    refuse_password(&url)?;
    ensure!(matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none(), expected);
    Ok(url)
}

fn boolean(name: &str, text: &str) -> anyhow::Result<bool> {
    text.parse().map_err(|_| anyhow!("HAULIER_BLOB_URL: {name}: expected true or false"))
}

#[cfg(test)]
mod tests;
