//! `dean backtest` as a person meets it: what is asked wrongly is refused with what is wrong and how to mend it, and what is
//! asked rightly is one document.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

mod walking;

use walking::Walk;

#[test]
fn what_is_asked_wrongly_is_refused_and_what_is_asked_rightly_is_one_document() {
    let walk = Walk::begin();
    let (code, none) = walk.dean(&["backtest", "--policy", "testing"]);
    assert_eq!(code, 2, "{none}");
    for _ in 0..3 {
        let now = walk.advance(6);
        walk.done(&["run", "--now", &now]);
    }
    for (asked, says) in [
        (&["--policy", "testing", "--since", "9999999d"][..], "is no span and no moment\n  hint: write 90d"),
        (&["--policy", "testing", "--since", "2026-06-20T12:00:00"], "is no span and no moment"),
        (&["--policy", "testing", "--since", "2130-01-01"], "the newest run is of"),
        (&["--policy", "testing", "--against", "validation"], "does not decide for stage testing, where it is tried"),
        (&["--policy", "testing", "--set", "validation.tiers.usual=150"], "stage validation is not compared\n  hint:"),
        (
            &["--policy", "testing", "--set", "tiers.por=60"],
            "unknown key `testing.tiers.por`\n  hint: did you mean `testing.tiers.poor`?",
        ),
        (&["--policy", "testing", "--set", "tiers.poor=-4"], "-4 is outside of 1 to 1000000000"),
        (&["--policy", "testin"], "no policy is called testin"),
        (&["--policy", "testing", "--html", "/nowhere/there.html"], "--html /nowhere/there.html"),
        (&[], "there is nothing to try\n  hint: name what is tried"),
    ] {
        let (code, refused) = walk.dean(&[&["backtest"], asked].concat());
        assert_eq!(code, 2, "{asked:?}: {refused}");
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(message.contains(says), "{asked:?}: {message}");
    }
    let same = walk.done(&["backtest", "--policy", "testing", "--html", "page.html"]);
    assert_eq!((&same["changed"], &same["runs"]), (&0.into(), &3.into()));
    assert!(std::fs::read_to_string(walk.folder.path().join("page.html")).unwrap().contains("What this cannot say"));
    let other = walk.done(&["backtest", "--set", "testing.tiers.poor=60", "--since", "1d"]);
    assert_eq!(other["stages"].as_array().unwrap().len(), 1);
    assert!(other["unknown"].as_array().unwrap().len() >= 2, "it says what it cannot know: {other}");
}
