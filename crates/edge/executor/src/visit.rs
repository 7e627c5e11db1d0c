//! A person in the place of a step that failed: where it worked, with its environment, and with files of
//! its own by which values are handed on. Who that is, and what comes of it, is not decided here.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
};

use camino::Utf8PathBuf;
use cutover_model::run::{Annotation, Level, Outcome, StepReport};
use cutover_supervisor::record;

use crate::{
    error::Error,
    mask::Masker,
    order::StepOrder,
    process::{ProcessExecutor, expose, name},
    protocol::{JOB_MARKER, STEP_MARKER},
    shell::Shell,
    subjects::{Declares, Known, LIST},
    supervise::{
        report::{self, Said},
        start::EXCHANGE,
    },
};

/// What a program needs to stand in for a step.
#[derive(Debug)]
pub struct Visit {
    /// Where the step worked; the workspace when that is not there.
    pub directory: Utf8PathBuf,
    /// All of its environment; nothing else is to be added to it but what a terminal needs.
    pub env: BTreeMap<String, String>,
    /// The script that failed, as it was run.
    pub script: Utf8PathBuf,
    exchange: Utf8PathBuf,
}

impl ProcessExecutor {
    /// Makes what a program needs to stand in for this step.
    pub fn open_visit(&self, order: &StepOrder) -> Result<Visit, Error> {
        let key = &order.key;
        let layout = self.layout(key);
        let work = self.work(order);
        let exchange = layout.exchange(&format!("{}.visit", key.name()));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&exchange)
            .map_err(Error::io("create", &exchange))?;
        let mut env = work.env;
        let list = Known::read(&layout)?.list();
        for (variable, file) in EXCHANGE {
            let path = exchange.join(file);
            let content = if file == LIST { list.as_str() } else { "" };
            fs::write(&path, content).map_err(Error::io("create", &path))?;
            env.insert(variable.to_owned(), path.into_string());
        }
        let workspace = layout.workspace();
        let found = Shell::find(
            order.shell.as_deref(),
            env.get("PATH").map_or("", String::as_str),
        );
        let (ending, text) = match found {
            Ok(shell) => (shell.ending.to_owned(), shell.file(&order.script)),
            Err(_) => (String::new(), order.script.clone()),
        };
        let script = exchange.join(format!("script{ending}"));
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o700)
            .open(&script)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(Error::io("write", &script))?;
        let job = name(&key.run, &key.job);
        env.extend([
            ("GITHUB_WORKSPACE".to_owned(), workspace.to_string()),
            ("RUNNER_TEMP".to_owned(), layout.temp().into_string()),
            ("CUTOVER_SCRIPT".to_owned(), script.to_string()),
            (STEP_MARKER.to_owned(), format!("{job}/{}", key.name())),
            (JOB_MARKER.to_owned(), job),
        ]);
        let mut directory = workspace.clone();
        directory.extend(&order.working_directory);
        if !directory.is_dir() {
            directory = workspace;
        }
        Ok(Visit {
            directory,
            env,
            script,
            exchange,
        })
    }

    /// What comes of a step in whose place somebody has said that it did what it should: what was handed
    /// on by the files of the visit.
    pub fn close_visit(
        &self,
        order: &StepOrder,
        visit: &Visit,
        by: &str,
    ) -> Result<(Outcome, StepReport), Error> {
        let layout = self.layout(&order.key);
        let mut masks = expose(&order.masks);
        let added: Option<Vec<String>> = record::read(&layout.masks())?;
        masks.extend(added.unwrap_or_default());
        let masker = Masker::new(masks.iter().map(String::as_str))
            .map_err(|error| Error::Refused(error.to_string()))?;
        let mut report = StepReport {
            exit_code: Some(0),
            annotations: vec![Annotation::new(
                Level::Notice,
                format!("failed, and {by} said in a shell that it counts as done"),
            )],
            ..StepReport::default()
        };
        let said = Said {
            untrusted: order.untrusted,
            ..Said::default()
        };
        let withheld = report::read_files(&visit.exchange, &masker, said, &mut report);
        let declares = Declares {
            layout: &layout,
            step: &order.key.name(),
            seen: None,
            survives: self.survives,
        };
        report::declare(&visit.exchange, &declares, &masker, &mut report);
        report::mask(&masker, &mut report);
        if let Some(withheld) = withheld {
            record::write_for(
                &layout.withheld(&order.key.name()),
                &withheld,
                self.survives,
            )?;
        }
        self.leave_visit(visit);
        let outcome = if report.reasons.is_empty() {
            Outcome::Succeeded
        } else {
            Outcome::Failed
        };
        Ok((outcome, report))
    }

    /// Nothing comes of it.
    pub fn leave_visit(&self, visit: &Visit) {
        // What cannot be removed now is removed with the job.
        fs::remove_dir_all(&visit.exchange).ok();
    }
}
