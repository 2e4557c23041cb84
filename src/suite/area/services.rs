//! The servers that run beside every run of an area.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};

use super::Area;
use crate::suite::process::{self, Job};
use crate::suite::sandbox::{ServiceSpec, Text};
use crate::suite::service::Service;

/// Servers, with what they and the tests need to find each other.
#[derive(Debug)]
pub(super) struct Services {
    pub specs: Vec<ServiceSpec>,
    readable: Vec<PathBuf>,
    env: BTreeMap<String, String>,
}

/// Who nobody is where the system does not say.
const NOBODY: u32 = 65_534;

impl Area {
    /// From now on these services run beside every run, and are gone with it. `path` is theirs, `readable` what it leads to.
    ///
    /// # Errors
    /// Without namespaces there is no network of a run's own, so there are no services.
    pub fn use_services(
        &self,
        services: &[Service],
        path: &OsStr,
        readable: &[PathBuf],
    ) -> anyhow::Result<()> {
        ensure!(
            self.sandbox.namespaces,
            "services need a network of their own, which this machine's sandbox has not"
        );
        let mut env = BTreeMap::new();
        let mut specs = Vec::new();
        for service in services {
            env.extend(service.env.clone());
            let mut own = process::base_env();
            own.insert("PATH".into(), path.to_owned());
            specs.push(ServiceSpec {
                name: service.name.clone(),
                start: Text::new(&service.start),
                ready: Text::new(&service.ready),
                env: own
                    .iter()
                    .map(|(name, value)| (Text::new(name), Text::new(value)))
                    .collect(),
                ready_ms: u64::try_from(service.ready_timeout.as_millis())
                    .context("a time limit")?,
            });
        }
        let services = Services {
            specs,
            readable: readable.to_vec(),
            env,
        };
        ensure!(
            self.services.set(services).is_ok(),
            "this area has services already"
        );
        Ok(())
    }
}

impl Services {
    /// The job as it runs beside the services: it knows where they are, unless it knows better.
    pub fn beside(&self, job: &Job) -> Job {
        let mut job = job.clone();
        for (name, value) in &self.env {
            job.env
                .entry(name.into())
                .or_insert_with(|| value.clone().into());
        }
        job.readable.extend(self.readable.iter().cloned());
        job
    }

    /// Some servers refuse to run as root, also as one without any right. The tests are who the servers are.
    pub fn user(&self) -> Option<u32> {
        rustix::process::geteuid().is_root().then(nobody)
    }
}

/// A user that has a name: servers look theirs up.
fn nobody() -> u32 {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let number = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some("nobody")).then(|| fields.nth(1)?.parse().ok())?
    });
    number.unwrap_or(NOBODY)
}
