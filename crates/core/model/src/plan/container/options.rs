//! `options:` of a container: the flags of `docker create` that are honoured. A flag that is not is
//! refused, never passed over. What a flag does is the engine's matter.

use serde::{Deserialize, Serialize};

use super::words;
use crate::Duration;

/// What the flags say. Texts are as written where the engine takes them as they are.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the engine, and they do not depend on each other"
)]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerOptions {
    /// `--add-host NAME:ADDRESS`.
    pub add_hosts: Vec<String>,
    /// `--cap-add`.
    pub cap_add: Vec<String>,
    /// `--cap-drop`.
    pub cap_drop: Vec<String>,
    /// `--cpu-shares`, `-c`.
    pub cpu_shares: Option<i64>,
    /// `--cpus`, in billionths of a processor.
    pub nano_cpus: Option<i64>,
    /// `--cpuset-cpus`.
    pub cpuset_cpus: Option<String>,
    /// `--device HOST[:INSIDE[:rwm]]`.
    pub devices: Vec<String>,
    /// `--dns`.
    pub dns: Vec<String>,
    /// `--dns-option`.
    pub dns_options: Vec<String>,
    /// `--dns-search`.
    pub dns_search: Vec<String>,
    /// `--domainname`.
    pub domainname: Option<String>,
    /// `--env NAME=VALUE`, `-e`.
    pub env: Vec<(String, String)>,
    /// `--expose`.
    pub expose: Vec<String>,
    /// `--group-add`.
    pub group_add: Vec<String>,
    /// `--health-…` and `--no-healthcheck`.
    pub health: Health,
    /// `--hostname`, `-h`.
    pub hostname: Option<String>,
    /// `--init`.
    pub init: bool,
    /// `--ipc`.
    pub ipc: Option<String>,
    /// `--label NAME[=VALUE]`, `-l`.
    pub labels: Vec<(String, String)>,
    /// `--memory`, `-m`, in bytes.
    pub memory: Option<i64>,
    /// `--memory-reservation`, in bytes.
    pub memory_reservation: Option<i64>,
    /// `--memory-swap`, in bytes; -1 for no limit.
    pub memory_swap: Option<i64>,
    /// `--name`.
    pub name: Option<String>,
    /// `--network-alias`: further names in the job's network.
    pub aliases: Vec<String>,
    /// `--pid`.
    pub pid: Option<String>,
    /// `--pids-limit`.
    pub pids_limit: Option<i64>,
    /// `--platform`.
    pub platform: Option<String>,
    /// `--privileged`.
    pub privileged: bool,
    /// `--publish`, `-p`: as `ports:`.
    pub publish: Vec<String>,
    /// `--read-only`.
    pub read_only: bool,
    /// `--security-opt`.
    pub security_opt: Vec<String>,
    /// `--shm-size`, in bytes.
    pub shm_size: Option<i64>,
    /// `--stop-signal`.
    pub stop_signal: Option<String>,
    /// `--sysctl NAME=VALUE`.
    pub sysctls: Vec<(String, String)>,
    /// `--tmpfs PATH[:OPTIONS]`, split at the colon.
    pub tmpfs: Vec<(String, String)>,
    /// `--tty`, `-t`.
    pub tty: bool,
    /// `--ulimit NAME=SOFT[:HARD]`.
    pub ulimits: Vec<(String, i64, i64)>,
    /// `--user`, `-u`.
    pub user: Option<String>,
    /// `--userns`.
    pub userns: Option<String>,
    /// `--volume`, `-v`: as `volumes:`.
    pub volumes: Vec<String>,
    /// `--workdir`, `-w`.
    pub workdir: Option<String>,
}

/// How the engine finds out whether a container is well.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// `--no-healthcheck`: also not as the image says.
    pub none: bool,
    /// `--health-cmd`, for a shell inside.
    pub command: Option<String>,
    /// `--health-interval`.
    pub interval: Option<Duration>,
    /// `--health-timeout`.
    pub timeout: Option<Duration>,
    /// `--health-start-period`.
    pub start_period: Option<Duration>,
    /// `--health-retries`.
    pub retries: Option<i64>,
}

/// A flag that cannot be honoured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OptionsError {
    /// At which byte of the text it stands.
    pub at: usize,
    /// What is wrong with it, and what to do.
    pub message: String,
}

/// Flags without a value.
const SWITCHES: [&str; 7] = [
    "init",
    "no-healthcheck",
    "privileged",
    "read-only",
    "tty",
    "interactive",
    "rm",
];
/// Short flags, and the long ones that they stand for.
const SHORT: [(char, &str); 11] = [
    ('c', "cpu-shares"),
    ('e', "env"),
    ('h', "hostname"),
    ('i', "interactive"),
    ('l', "label"),
    ('m', "memory"),
    ('p', "publish"),
    ('t', "tty"),
    ('u', "user"),
    ('v', "volume"),
    ('w', "workdir"),
];
/// Flags that docker has and a job cannot have, with what to do instead.
const REFUSED: [(&str, &str); 9] = [
    (
        "network",
        "the containers of a job share a network of their own",
    ),
    (
        "net",
        "the containers of a job share a network of their own",
    ),
    (
        "entrypoint",
        "a service has `entrypoint:`; a job's container waits for its steps",
    ),
    ("restart", "containers live as long as their job"),
    ("rm", "containers are removed with their job anyway"),
    (
        "mount",
        "write it as `volumes:`, or `--volume`, or `--tmpfs`",
    ),
    ("env-file", "write the variables as `env:`"),
    ("link", "services are reached by their names"),
    ("pull", "an image is fetched when it is not there"),
];

impl ContainerOptions {
    /// Reads the flags of a text without expressions.
    pub fn parse(text: &str) -> Result<Self, OptionsError> {
        let words = words(text).ok_or_else(|| OptionsError {
            at: 0,
            message: "a quote in `options` is not closed".to_owned(),
        })?;
        let mut options = Self::default();
        let mut words = words.into_iter();
        while let Some((at, word)) = words.next() {
            for (name, value) in flags(&word).map_err(|message| OptionsError { at, message })? {
                let value = match value {
                    Some(value) => value,
                    None if SWITCHES.contains(&name) => "true".to_owned(),
                    None => words.next().map(|(_, value)| value).ok_or_else(|| {
                        let message = format!("`--{name}` in `options` needs a value");
                        OptionsError { at, message }
                    })?,
                };
                options
                    .set(name, value)
                    .map_err(|message| OptionsError { at, message })?;
            }
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), String> {
        if let Some((_, instead)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
            return Err(format!(
                "`--{name}` in `options` has no place here: {instead}"
            ));
        }
        if let Some(rest) = name.strip_prefix("health-") {
            return self.health.set(rest, value);
        }
        let list = match name {
            "add-host" => &mut self.add_hosts,
            "cap-add" => &mut self.cap_add,
            "cap-drop" => &mut self.cap_drop,
            "device" => &mut self.devices,
            "dns" => &mut self.dns,
            "dns-option" | "dns-opt" => &mut self.dns_options,
            "dns-search" => &mut self.dns_search,
            "expose" => &mut self.expose,
            "group-add" => &mut self.group_add,
            "network-alias" | "net-alias" => &mut self.aliases,
            "publish" => &mut self.publish,
            "security-opt" => &mut self.security_opt,
            "volume" => &mut self.volumes,
            _ => return self.set_one(name, value),
        };
        list.push(value);
        Ok(())
    }

    fn set_one(&mut self, name: &str, value: String) -> Result<(), String> {
        let text = match name {
            "cpuset-cpus" => &mut self.cpuset_cpus,
            "domainname" => &mut self.domainname,
            "hostname" => &mut self.hostname,
            "ipc" => &mut self.ipc,
            "name" => &mut self.name,
            "pid" => &mut self.pid,
            "platform" => &mut self.platform,
            "stop-signal" => &mut self.stop_signal,
            "user" => &mut self.user,
            "userns" => &mut self.userns,
            "workdir" => &mut self.workdir,
            _ => return self.set_read(name, &value),
        };
        *text = Some(value);
        Ok(())
    }

    fn set_read(&mut self, name: &str, value: &str) -> Result<(), String> {
        let wrong =
            |wanted: &str| format!("`--{name}` in `options` must be {wanted}, not `{value}`");
        let number = || value.parse().map_err(|_| wrong("a number"));
        let size = || bytes(value).ok_or_else(|| wrong("a size, such as `512m`"));
        let switch = || value.parse().map_err(|_| wrong("`true` or `false`"));
        let pair = || {
            let (name, value) = value.split_once('=').unwrap_or((value, ""));
            (name.to_owned(), value.to_owned())
        };
        match name {
            "cpu-shares" => self.cpu_shares = Some(number()?),
            "cpus" => self.nano_cpus = Some(billionths(value).ok_or_else(|| wrong("a number"))?),
            "pids-limit" => self.pids_limit = Some(number()?),
            "memory" => self.memory = Some(size()?),
            "memory-reservation" => self.memory_reservation = Some(size()?),
            "memory-swap" if value == "-1" => self.memory_swap = Some(-1),
            "memory-swap" => self.memory_swap = Some(size()?),
            "shm-size" => self.shm_size = Some(size()?),
            "init" => self.init = switch()?,
            "no-healthcheck" => self.health.none = switch()?,
            "privileged" => self.privileged = switch()?,
            "read-only" => self.read_only = switch()?,
            "tty" => self.tty = switch()?,
            // There is nobody who would type.
            "interactive" => drop::<bool>(switch()?),
            "env" if !value.contains('=') => return Err(wrong("`NAME=VALUE`")),
            "env" => self.env.push(pair()),
            "label" => self.labels.push(pair()),
            "sysctl" => self.sysctls.push(pair()),
            "tmpfs" => {
                let (path, options) = value.split_once(':').unwrap_or((value, ""));
                self.tmpfs.push((path.to_owned(), options.to_owned()));
            }
            "ulimit" => self
                .ulimits
                .push(ulimit(value).ok_or_else(|| wrong("`NAME=SOFT[:HARD]`"))?),
            _ => {
                return Err(format!(
                    "`--{name}` in `options` is not known here; the reference of the workflow \
                     language lists those that are"
                ));
            }
        }
        Ok(())
    }
}

impl Health {
    fn set(&mut self, name: &str, value: String) -> Result<(), String> {
        let time = |value: &str| {
            duration(value).ok_or_else(|| {
                format!(
                    "`--health-{name}` in `options` must be a time, such as `10s`, not `{value}`"
                )
            })
        };
        match name {
            "cmd" => self.command = Some(value),
            "interval" => self.interval = Some(time(&value)?),
            "timeout" => self.timeout = Some(time(&value)?),
            "start-period" => self.start_period = Some(time(&value)?),
            "retries" => {
                self.retries = Some(value.parse().map_err(|_| {
                    format!("`--health-retries` in `options` must be a number, not `{value}`")
                })?);
            }
            _ => return Err(format!("`--health-{name}` in `options` is not known here")),
        }
        Ok(())
    }
}

/// What one word says: a long flag, or short ones in one (`-it`, `-p80:80`).
fn flags(word: &str) -> Result<Vec<(&str, Option<String>)>, String> {
    if let Some(long) = word.strip_prefix("--").filter(|long| !long.is_empty()) {
        return Ok(vec![match long.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (long, None),
        }]);
    }
    let Some(short) = word.strip_prefix('-').filter(|short| !short.is_empty()) else {
        return Err(format!(
            "`{word}` in `options` is no flag; a value follows its flag"
        ));
    };
    let mut found = Vec::new();
    for (at, letter) in short.char_indices() {
        let long = SHORT.iter().find(|(known, _)| *known == letter);
        let Some((_, name)) = long else {
            return Err(format!("`-{letter}` in `options` is not known here"));
        };
        if SWITCHES.contains(name) {
            found.push((*name, None));
            continue;
        }
        let rest = short.get(at + letter.len_utf8()..).unwrap_or_default();
        let rest = rest.strip_prefix('=').unwrap_or(rest);
        found.push((*name, (!rest.is_empty()).then(|| rest.to_owned())));
        break;
    }
    Ok(found)
}

/// `512m`, `1.5g`, `1024`: a number, and b, k, m or g.
fn bytes(text: &str) -> Option<i64> {
    let lower = text.to_ascii_lowercase();
    let lower = lower.strip_suffix('b').unwrap_or(&lower);
    let (number, shift) = match lower.char_indices().last()? {
        (end, 'k') => (lower.get(..end)?, 10),
        (end, 'm') => (lower.get(..end)?, 20),
        (end, 'g') => (lower.get(..end)?, 30),
        _ => (lower, 0),
    };
    let thousandths = fraction(number, 3)?;
    thousandths
        .checked_mul(1 << shift)
        .map(|bytes| bytes / 1_000)
}

fn billionths(text: &str) -> Option<i64> {
    fraction(text, 9)
}

/// A decimal number, times ten to the power of `digits`.
fn fraction(text: &str, digits: usize) -> Option<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let zeros = digits.checked_sub(part.len())?;
    format!("{whole}{part}{}", "0".repeat(zeros)).parse().ok()
}

/// `1m30s`, `500ms`, as the engine's own client takes it.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let unit = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        total = total.checked_add(fraction(number, 3)?.checked_mul(millis)? / 1_000)?;
        rest = after;
    }
    let total = u64::try_from(total).ok()?;
    (!text.is_empty()).then(|| Duration::from_millis(total))
}

fn ulimit(text: &str) -> Option<(String, i64, i64)> {
    let (name, limits) = text.split_once('=')?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    Some((name.to_owned(), soft.parse().ok()?, hard.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_that_people_write_are_understood() {
        let options = ContainerOptions::parse(
            "--health-cmd \"pg_isready -U me\" --health-interval 10s --health-timeout=1m30s\n\
             --health-retries 5 --cpus 1.5 -m 512m -p8080:80 -it --user 1001:1001 \
             --add-host a:127.0.0.1 --ulimit nofile=1024:2048 --tmpfs /x:size=1m --privileged=false",
        )
        .unwrap();
        assert_eq!(
            options,
            ContainerOptions {
                health: Health {
                    command: Some("pg_isready -U me".to_owned()),
                    interval: Some(Duration::from_secs(10)),
                    timeout: Some(Duration::from_secs(90)),
                    retries: Some(5),
                    ..Health::default()
                },
                nano_cpus: Some(1_500_000_000),
                memory: Some(512 << 20),
                publish: vec!["8080:80".to_owned()],
                tty: true,
                user: Some("1001:1001".to_owned()),
                add_hosts: vec!["a:127.0.0.1".to_owned()],
                ulimits: vec![("nofile".to_owned(), 1024, 2048)],
                tmpfs: vec![("/x".to_owned(), "size=1m".to_owned())],
                ..ContainerOptions::default()
            }
        );
    }

    #[test]
    fn a_flag_that_is_not_honoured_is_refused_where_it_stands() {
        let refused = |text: &str| ContainerOptions::parse(text).unwrap_err();
        let unknown = refused("--init --gpus all");
        assert_eq!(unknown.at, 7);
        assert!(unknown.message.contains("`--gpus`"), "{unknown}");
        assert!(
            refused("--network host")
                .message
                .contains("network of their own")
        );
        assert!(refused("--memory lots").message.contains("a size"));
        assert!(refused("--health-interval 10").message.contains("a time"));
        assert!(refused("--user").message.contains("needs a value"));
        assert!(refused("word").message.contains("no flag"));
        assert!(refused("-z").message.contains("`-z`"));
        assert_eq!(refused("--x 'y").at, 0);
    }
}
