//! `tribelink demo` as its users start it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

/// The program in an empty directory with an empty environment.
fn demo(args: &[&str], folder: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tribelink"));
    command
        .arg("demo")
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("TMPDIR", folder);
    command
}

#[test]
fn every_step_comes_out_and_nothing_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(&["--once"], folder.path()).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}{said}");
    let steps = told
        .lines()
        .filter(|line| line.starts_with('\u{2713}'))
        .count();
    assert!(steps >= 20, "{steps} steps");
    assert!(
        told.contains(&format!("{steps} steps, all came out")),
        "{told}"
    );
    assert!(!told.contains('\u{1b}'), "colours in a pipe");
    for rule in [
        "R1 ", "R2 ", "R3 ", "R4 ", "R6 ", "R7 ", "R8 ", "R9 ", "R10 ", "R11 ", "R16 ",
    ] {
        assert!(told.contains(&format!("rule   {rule}")), "{rule}");
    }
    assert_eq!(said, "", "warnings");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn it_stays_up_until_it_is_told_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = demo(&["--people", "3"], folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let service = said_address(&mut child);
    let mut page = String::new();
    let mut stream = TcpStream::connect(&service).unwrap();
    write!(
        stream,
        "GET /readyz HTTP/1.1\r\nHost: {service}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    stream.read_to_string(&mut page).unwrap();
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    let killed = Command::new("kill").arg(child.id().to_string()).status();
    assert!(killed.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Reads until the story is told; answers where the service listens.
fn said_address(child: &mut Child) -> String {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut service = String::new();
    for line in lines.map_while(Result::ok) {
        if let Some(address) = line.trim().strip_prefix("Service") {
            service = address.trim().replace("http://", "").replace('/', "");
        }
        if line == "Ctrl-C ends." {
            return service;
        }
    }
    panic!("the story was not told to its end");
}
