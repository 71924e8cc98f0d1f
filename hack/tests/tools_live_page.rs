//! The live page in a real browser: a real data plane, backends that fail as they are told, and what the page shows.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::time::Duration;

use hack::browser::{Browser, Scheme};
use hack::http_client::{Connection, Response};
use hack::programs::Programs;
use hack::rig::poll;
use hack::scene::{Scene, TRACED};
use serde_json::{Value, json};

/// Everything that is waited for is on the page by then.
const SOON: Duration = Duration::from_secs(60);
/// Longer than two polls of the page, in its own time.
const POLLS_MS: f64 = 2500.0;
/// A path that is markup with a script, of characters that a request line may hold.
const CANARY: &str = "/cart/<img/src=x/onerror=window.hacked=1>";

/// What a card says: title, and for each attempt the texts of its cells.
const CARDS: &str = "[...document.querySelectorAll('article')].map(card => ({
    title: card.querySelector('h3').innerText,
    rescued: card.className === 'rescued',
    trace: card.querySelector('code').innerText,
    attempts: [...card.querySelectorAll('tbody tr')].map(row => [...row.cells].map(cell => cell.innerText)),
}))";
/// For each card its bars in pixels, from left to right: the attempts, and the waits.
const BARS: &str = "[...document.querySelectorAll('article')].map(card => ({
    lane: card.querySelector('.lane')?.clientWidth,
    attempts: [...card.querySelectorAll('.lane i:not(.wait)')].map(bar => [bar.offsetLeft, bar.offsetWidth]),
    waits: [...card.querySelectorAll('.lane i.wait')].map(bar => [bar.offsetLeft, bar.offsetWidth]),
}))";

struct Page {
    scene: Scene,
    live: SocketAddr,
    browser: Browser,
}

impl Page {
    fn open() -> Self {
        let scene = Scene::start(&Programs::for_tests().unwrap(), 1, &TRACED).unwrap();
        let live = scene.rig.live().unwrap();
        let mut browser = Browser::start().unwrap();
        browser.look(Scheme::Light, 1200, 1600).unwrap();
        browser.open(&format!("http://{live}/")).unwrap();
        let mut page = Self { scene, live, browser };
        page.wait("document.getElementById('state').innerText", &json!("serving"));
        page
    }

    fn send(&self, method: &str, target: &str) -> Response {
        let mut connection = Connection::open(self.scene.rig.address()).unwrap();
        connection.send(method, target, &[("host", "shop.example")], b"").unwrap()
    }

    fn live(&self) -> Value {
        serde_json::from_slice(
            &Connection::open(self.live)
                .unwrap()
                .send("GET", "/live.json", &[("host", "localhost")], b"")
                .unwrap()
                .body,
        )
        .unwrap()
    }

    fn see(&mut self, expression: &str) -> Value {
        self.browser.evaluate(expression).unwrap()
    }

    #[track_caller]
    fn wait(&mut self, expression: &str, wanted: &Value) {
        let mut seen = Value::Null;
        let found = poll(SOON, || {
            seen = self.browser.evaluate(expression).unwrap_or_default();
            (seen == *wanted).then_some(())
        });
        assert!(found.is_some(), "{expression} is {seen}, not {wanted}");
    }

    #[track_caller]
    fn wait_for_cards(&mut self, count: usize) {
        self.wait("document.querySelectorAll('article').length", &json!(count));
    }

    /// The card whose title holds a text.
    #[track_caller]
    fn card(&mut self, text: &str) -> Value {
        let cards = self.see(CARDS);
        let has = |card: &&Value| card["title"].as_str().unwrap().contains(text);
        cards.as_array().unwrap().iter().find(has).unwrap_or_else(|| panic!("no {text} in {cards}")).clone()
    }
}

fn column(card: &Value, at: usize) -> Vec<&str> {
    card["attempts"].as_array().unwrap().iter().map(|row| row[at].as_str().unwrap()).collect()
}

#[test]
fn a_retried_request_is_shown_with_every_attempt_and_why_there_was_no_further_one() {
    let mut page = Page::open();
    assert_eq!(
        page.see("document.getElementById('requests-none').innerText"),
        "None since this data plane started."
    );
    assert_eq!(page.send("GET", "/cart?status=503").status, 503);
    assert_eq!(page.send("POST", "/payments?status=502").status, 502);
    assert_eq!(page.send("GET", "/search?delay=300ms").status, 504);
    assert_eq!(page.send("GET", "/legacy").status, 503);
    assert_eq!(page.send("GET", "/payments").status, 200);
    page.wait_for_cards(4);

    let exhausted = page.card("GET /cart");
    assert!(
        exhausted["title"].as_str().unwrap().contains("exhausted: all retries of the policy were made"),
        "{exhausted}"
    );
    assert_eq!(column(&exhausted, 2), ["503"; 4], "the policy makes three retries");
    let waits = column(&exhausted, 5);
    assert!(waits[..3].iter().all(|wait| wait.ends_with(" ms")) && waits[3].is_empty(), "{waits:?}");
    let told = page.live()["recent"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["reason"] == "exhausted")
        .unwrap()
        .clone();
    let endpoints: Vec<_> = told["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["endpoint"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(column(&exhausted, 1), endpoints);
    assert_eq!((&exhausted["trace"], exhausted["trace"].as_str().unwrap().len()), (&told["trace_id"], 32));

    assert_eq!(column(&page.card("POST /payments"), 2), ["502"]);
    assert!(page.card("POST /payments")["title"].as_str().unwrap().contains("method_unsafe"));
    let slow = page.card("GET /search");
    assert_eq!(column(&slow, 2), ["per_try_timeout"; 2], "the budget pays for one retry: {slow}");
    assert!(
        slow["title"].as_str().unwrap().contains("budget: the retry budget of the Service port was spent"),
        "{slow}"
    );
    assert!(page.card("GET /legacy")["title"].as_str().unwrap().contains("no_endpoint"));
    assert_eq!(page.browser.complaints(), Vec::<String>::new());
}

#[test]
fn the_bars_of_a_waterfall_are_to_scale() {
    let mut page = Page::open();
    page.send("GET", "/cart?status=503&delay=40ms");
    page.wait_for_cards(1);
    let bars = page.see(BARS)[0].clone();
    let told = page.live()["recent"][0].clone();
    let lane = bars["lane"].as_f64().unwrap();
    let total = told["duration_ms"].as_f64().unwrap();
    for (at, attempt) in told["attempts"].as_array().unwrap().iter().enumerate() {
        let (start, took) = (attempt["start_ms"].as_f64().unwrap(), attempt["duration_ms"].as_f64().unwrap());
        let (left, width) = (&bars["attempts"][at][0], &bars["attempts"][at][1]);
        check_pixels(left, start / total * lane);
        check_pixels(width, took / total * lane);
        if let Some(wait) = attempt["wait_ms"].as_f64() {
            check_pixels(&bars["waits"][at][0], (start + took) / total * lane);
            check_pixels(&bars["waits"][at][1], wait / total * lane);
        }
    }
    assert_eq!(bars["attempts"].as_array().unwrap().len(), 4);
}

/// To the pixel: offsets are whole numbers, and a bar is never narrower than three.
#[track_caller]
fn check_pixels(shown: &Value, wanted: f64) {
    let shown = shown.as_f64().unwrap();
    assert!(
        (shown - wanted).abs() <= 1.5 || (wanted < 3.0 && shown == 3.0),
        "{shown} px instead of {wanted} px"
    );
}

#[test]
fn what_strangers_put_into_a_path_is_shown_and_never_runs() {
    let mut page = Page::open();
    assert_eq!(page.send("GET", &format!("{CANARY}?status=503")).status, 503);
    page.wait_for_cards(1);
    assert!(page.card(CANARY)["title"].as_str().unwrap().starts_with(&format!("GET {CANARY}")));
    assert_eq!(page.see("document.images.length"), 0);
    assert_eq!(page.see("window.hacked === undefined"), true);
    // And were the page to make markup of it, the browser would refuse.
    let refused = page.see("try { document.body.innerHTML = '<img src=x onerror=window.hacked=1>'; 'taken' } catch { 'refused' }");
    assert_eq!((refused, page.see("window.hacked === undefined")), (json!("refused"), json!(true)));
}

#[test]
fn rates_follow_the_traffic() {
    let mut page = Page::open();
    let cell = |row: &str, at: usize| {
        format!(
            "[...document.querySelectorAll('#services tbody tr')].find(it => it.cells[0].innerText === '{row}').cells[{at}].innerText"
        )
    };
    page.wait(&cell("shop/cart:80", 3), &json!("0.0"));
    assert_eq!(page.see(&cell("shop/cart:80", 4)), "–", "nothing to have a share of");
    let customers = page.scene.open();
    let busy =
        format!("parseFloat({}) > 5 && parseFloat({}) > 0", cell("shop/cart:80", 3), cell("shop/cart:80", 4));
    page.wait(&busy, &json!(true));
    page.wait(&format!("{}.includes('budget ')", cell("shop/search:80", 8)), &json!(true));
    page.wait(&format!("parseInt({}) > 0", cell("shop/cart:80", 6)), &json!(true));
    assert_eq!(page.see(&cell("shop/legacy:80", 2)), "0: answers 503");
    assert_eq!(page.see(&cell("shop/payments:80", 1)), "shop/payments");
    drop(customers);
    page.wait(&cell("shop/cart:80", 3), &json!("0.0"));
    let shown = page.see(&cell("shop/cart:80", 5));
    let told = page.live()["services"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["service"] == "shop/cart:80")
        .unwrap()
        .clone();
    let retries: u64 =
        told["retries"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    let share = retries as f64 / (told["attempts"].as_u64().unwrap() - retries) as f64 * 100.0;
    let digits = usize::from(share < 10.0);
    assert_eq!(shown, format!("{share:.digits$} %"));
    assert_eq!(page.browser.complaints(), Vec::<String>::new());
}

#[test]
fn pause_holds_the_page_and_works_by_keyboard() {
    let mut page = Page::open();
    page.send("GET", "/cart?status=503");
    page.wait_for_cards(1);
    page.browser.press("Tab").unwrap();
    assert_eq!(page.see("document.activeElement.id"), "pause", "the first thing that the keyboard reaches");
    page.browser.press(" ").unwrap();
    assert_eq!(page.see("document.activeElement.ariaPressed"), "true");
    page.send("GET", "/payments?status=503");
    let paused_at = page.see("performance.now()").as_f64().unwrap();
    let passed = |page: &mut Page| page.see("performance.now()").as_f64().unwrap() > paused_at + POLLS_MS;
    poll(SOON, || passed(&mut page).then_some(())).unwrap();
    assert_eq!(page.live()["recent"].as_array().unwrap().len(), 2);
    assert_eq!(page.see("document.querySelectorAll('article').length"), 1);
    page.browser.press(" ").unwrap();
    page.wait_for_cards(2);
}

#[test]
fn a_card_that_is_being_read_stays_while_others_come() {
    let mut page = Page::open();
    page.send("GET", "/cart?status=503");
    page.wait_for_cards(1);
    page.see("window.kept = document.querySelector('article'); kept.querySelector('button').focus()");
    page.send("GET", "/cart?status=503");
    page.wait_for_cards(2);
    assert_eq!(page.see("document.querySelectorAll('article')[1] === kept"), true, "the newest is first");
    assert_eq!(page.see("kept.contains(document.activeElement)"), true);
}

#[test]
fn a_trace_is_taken_along_by_one_press() {
    let mut page = Page::open();
    page.send("GET", "/cart?status=503");
    page.wait_for_cards(1);
    let origin = format!("http://{}", page.live);
    page.browser.allow(&origin, &["clipboardReadWrite", "clipboardSanitizedWrite"]).unwrap();
    page.see("document.querySelector('article button').focus()");
    page.browser.press(" ").unwrap();
    page.wait("document.getElementById('said').innerText", &json!("trace id copied"));
    let copied = page.see("navigator.clipboard.readText()");
    assert_eq!(copied, page.live()["recent"][0]["trace_id"]);
}

#[test]
fn requests_are_found_by_what_is_known_of_them() {
    let mut page = Page::open();
    page.send("GET", "/cart?status=503");
    page.send("POST", "/payments?status=502");
    page.wait_for_cards(2);
    let filter = |text: &str| {
        format!(
            "document.getElementById('filter').value = '{text}'; document.getElementById('filter').dispatchEvent(new Event('input'))"
        )
    };
    page.see(&filter("METHOD_unsafe"));
    page.wait_for_cards(1);
    assert_eq!(column(&page.card("POST /payments"), 2), ["502"]);
    page.see(&filter("nothing like that"));
    page.wait_for_cards(0);
    assert_eq!(page.see("document.getElementById('requests-none').innerText"), "None of them matches.");
    page.see(&filter(""));
    page.wait_for_cards(2);
}

#[test]
fn a_data_plane_that_is_gone_is_told_and_what_it_said_stays() {
    let mut page = Page::open();
    page.send("GET", "/cart?status=503");
    page.wait_for_cards(1);
    assert_eq!(page.browser.complaints(), Vec::<String>::new());
    assert_eq!(page.see("document.getElementById('gone').checkVisibility()"), false);
    // Its data plane follows it.
    page.scene.rig.kill_operator().unwrap();
    page.wait("document.getElementById('gone').checkVisibility()", &json!(true));
    let said = page.see("document.getElementById('gone').innerText");
    assert!(said.as_str().unwrap().starts_with("The data plane does not answer since "), "{said}");
    assert_eq!(page.see("document.getElementById('gone').role"), "alert");
    page.wait_for_cards(1);
}

#[test]
fn everything_on_the_page_has_a_name_for_those_who_listen() {
    let mut page = Page::open();
    page.send("GET", "/cart?status=503");
    page.wait_for_cards(1);
    for (what, selector) in [
        ("a column without scope", "table th:not([scope])"),
        ("an id twice", "[id]:not(:is(#gone,#said))"),
        ("a control without a name", "button, input"),
    ] {
        let nameless = match what {
            "an id twice" => "const ids = found.map(it => it.id); return ids.length - new Set(ids).size",
            "a control without a name" => {
                "return found.filter(it => !(it.ariaLabel || it.innerText || it.labels?.[0]?.innerText)).length"
            }
            _ => "return found.length",
        };
        let count =
            format!("(() => {{ const found = [...document.querySelectorAll('{selector}')]; {nameless} }})()");
        assert_eq!(page.see(&count), 0, "{what}");
    }
    assert_eq!(page.see("document.documentElement.lang"), "en");
}

#[test]
fn the_page_is_drawn_light_or_dark_as_the_user_likes_it() {
    let mut page = Page::open();
    page.send("GET", "/cart?status=503");
    page.wait_for_cards(1);
    let mut pictures = Vec::new();
    for scheme in [Scheme::Light, Scheme::Dark] {
        page.browser.look(scheme, 1200, 900).unwrap();
        pictures.push((scheme, page.browser.screenshot().unwrap()));
    }
    page.browser.open("about:blank").unwrap();
    for (scheme, picture) in pictures {
        let look = page.see(&measure(&picture));
        let (colours, light) = (look["colours"].as_u64().unwrap(), look["light"].as_f64().unwrap());
        assert!(colours > 50, "{scheme:?} shows {colours} colours: nothing is drawn");
        assert_eq!(light > 0.5, scheme == Scheme::Light, "{scheme:?} is {light}");
    }
}

/// The number of colours of a picture, and how light it is on the whole, 0 to 1.
fn measure(picture: &str) -> String {
    format!(
        "(async () => {{
            const image = new Image();
            image.src = 'data:image/png;base64,{picture}';
            await image.decode();
            const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d');
            canvas.drawImage(image, 0, 0);
            const pixels = new Uint32Array(canvas.getImageData(0, 0, image.width, image.height).data.buffer);
            const light = pixels.reduce((sum, it) => sum + (it & 255), 0) / pixels.length / 255;
            return {{ colours: new Set(pixels).size, light }};
        }})()"
    )
}
