//! Runs other programs, and says exactly what failed.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal};

/// Runs it in the foreground; its output is ours.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    println!("    $ {}", shown(command));
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| not_started(command))?;
    if !status.success() {
        bail!("`{}` ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs it and returns what it wrote to its standard output.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| not_started(command))?;
    finished(command, &output)?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// As [`read`], but ends it, and everything that it started, after `limit`.
pub(crate) fn read_within(command: &mut Command, limit: Duration) -> Result<String> {
    use std::os::unix::process::CommandExt as _;
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .with_context(|| not_started(command))?;
    let group = group_of(&child);
    let (done, finish) = mpsc::channel();
    let waiter = thread::spawn(move || {
        let output = child.wait_with_output();
        // Nobody listens any more after the limit.
        let _ = done.send(output);
    });
    let Ok(output) = finish.recv_timeout(limit) else {
        signal_group(group, Signal::KILL);
        let _ = waiter.join();
        bail!("`{}` took longer than {} s", shown(command), limit.as_secs());
    };
    let output = output?;
    finished(command, &output)?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn finished(command: &Command, output: &Output) -> Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    bail!(
        "`{}` ended with {}: {}",
        shown(command),
        output.status,
        said.trim()
    )
}

fn not_started(command: &Command) -> String {
    format!("`{}` does not start", shown(command))
}

/// The group of a child that was started as the leader of one.
pub(crate) fn group_of(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

/// Sends a signal to a whole group. One that is gone already is no error.
pub(crate) fn signal_group(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        let _ = rustix::process::kill_process_group(group, signal);
    }
}

/// The command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| {
            let word = word.to_string_lossy();
            if word.contains(char::is_whitespace) {
                format!("'{word}'")
            } else {
                word.into_owned()
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// Where a program stands, by the search path.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(file).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// Removes a folder; one that is not there is no error.
pub(crate) fn remove_folder(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(e) if e.kind() != ErrorKind::NotFound => {
            Err(e).with_context(|| format!("{} cannot be removed", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_is_named_with_what_it_said() {
        let error = read(Command::new("sh").args(["-c", "echo no such wall >&2; exit 3"])).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("sh -c") && text.contains("no such wall") && text.contains('3'),
            "{text}"
        );
    }

    #[test]
    fn a_program_that_is_missing_is_said_to_be() {
        let error = read(&mut Command::new("no-such-program-of-tandem")).unwrap_err();
        assert!(error.to_string().contains("does not start"), "{error}");
        assert_eq!(which("no-such-program-of-tandem"), None);
    }

    #[test]
    fn a_command_that_hangs_is_ended_with_its_children() {
        let start = crate::steps::now();
        // The grandchild keeps the pipes open: ending the shell alone would not be enough.
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & wait"]);
        let error = read_within(&mut command, Duration::from_millis(200)).unwrap_err();
        assert!(error.to_string().contains("took longer"), "{error}");
        assert!(start.elapsed() < Duration::from_mins(1));
    }
}
