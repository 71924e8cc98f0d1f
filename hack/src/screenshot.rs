//! The picture of the live page in the docs: a shop on a bad day, looked at by a real browser.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::browser::{Browser, Scheme};
use crate::programs::{Profile, Programs, workspace};
use crate::rig::poll;
use crate::say;
use crate::scene::{Scene, TRACED};

/// Width and height that the docs show well, in pixels.
const SIZE: (u32, u32) = (1180, 900);
/// Nobody wants to download more with a clone.
const BYTES_MAX: usize = 200 * 1024;
/// How long the page may take to show everything.
const SHOWN_MAX: Duration = Duration::from_secs(60);
/// What is to be seen: rates over their whole window, a budget that is spent, and requests.
const READY: &str = "[...document.querySelectorAll('#services tbody tr')].some(row => row.innerText.includes('budget '))
    && document.querySelectorAll('#services tbody tr').length === 4
    && [...document.querySelectorAll('article')].slice(0, 4).filter(it => it.className === 'rescued').length > 1
    && performance.now() > 12_000";

/// Takes the picture of the live page.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where it goes.
    #[arg(long, default_value = "docs/images/live-page.png")]
    out: PathBuf,
}

/// `cargo xtask screenshot`.
///
/// # Errors
/// When the product or the browser does not start, or the page does not come to show what it should.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let scene = Scene::start(&Programs::build(Profile::Dev)?, 1, &TRACED)?;
    let mut browser = Browser::start()?;
    browser.look(Scheme::Light, SIZE.0, SIZE.1)?;
    let customers = scene.open();
    browser.open(&format!("http://{}/", scene.rig.live()?))?;
    say::step("waiting until the page has something to show");
    poll(SHOWN_MAX, || browser.evaluate(READY).is_ok_and(|ready| ready == true).then_some(()))
        .context("the page never showed everything")?;
    // Nothing moves while the picture is taken.
    browser.evaluate("document.getElementById('pause').click()")?;
    let picture = STANDARD.decode(browser.screenshot()?)?;
    drop(customers);
    ensure!(picture.len() <= BYTES_MAX, "{} bytes are more than {BYTES_MAX}", picture.len());
    let path = workspace().join(&args.out);
    fs::create_dir_all(path.parent().context("a file in a folder")?)?;
    fs::write(&path, &picture)?;
    say::result(&format!("written: {} ({} KiB)", args.out.display(), picture.len() / 1024));
    Ok(ExitCode::SUCCESS)
}
