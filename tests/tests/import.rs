//! What people export elsewhere is read whatever program wrote it, or refused with line and column, whole.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::domain::{Currency, Money};
use dean::import::{Frame, history, orders};
use jiff::tz::TimeZone;
use std::path::PathBuf;
use tempfile::TempDir;

fn frame() -> Frame {
    Frame { currency: Currency::new("EUR"), zone: TimeZone::get("Europe/Berlin").unwrap() }
}

fn file(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("export.csv");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

const EXPORT: &str = "Reporting starts,Reporting ends,Ad name,Ad ID,Day,Amount spent (EUR),Impressions,Link clicks,Clicks (all),Purchases,Purchases conversion value,Adds to cart,Attribution setting\n\
2026-06-01,2026-06-02,\"Sand, \"\"red\"\"\nand blue\",120210000000300001,2026-06-01,\"1,234.50\",20000,180,220,3,150.20,12,7-day click or 1-day view\n\
2026-06-01,2026-06-02,Plain,120210000000300002,2026-06-02,0,15,,,,,,7-day click or 1-day view\n\
2026-06-01,2026-06-02,,,,1234.50,20015,180,220,3,150.20,12,\n";

/// The same file as other programs would write it.
fn others() -> Vec<(&'static str, Vec<u8>)> {
    let utf16: Vec<u8> = std::iter::once(0xFEFFu16).chain(EXPORT.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let bom = [b"\xEF\xBB\xBF".as_slice(), EXPORT.as_bytes()].concat();
    // Fields with commas are quoted, so that every other comma parts fields.
    let other = EXPORT.replace("\"1,234.50\"", "1234.50").replace("Sand, ", "Sand ");
    vec![
        ("LF", EXPORT.as_bytes().to_vec()),
        ("CRLF", EXPORT.replace('\n', "\r\n").into_bytes()),
        ("CR alone", EXPORT.replace('\n', "\r").into_bytes()),
        ("a mark before UTF-8", bom),
        ("UTF-16", utf16),
        ("semicolons", other.replace(',', ";").into_bytes()),
        ("tabs", other.replace(',', "\t").into_bytes()),
    ]
}

#[test]
fn an_export_is_read_whatever_program_wrote_it() {
    for (name, bytes) in others() {
        let (_folder, path) = file(&bytes);
        let read = history(&path, &frame()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(read.windows, ["7d_click", "1d_view"], "{name}");
        assert_eq!(read.rows.len(), 2, "{name}: the line of totals is no ad's");
        let (first, second) = (&read.rows[0], &read.rows[1]);
        assert_eq!((first.ad_id.as_str(), first.date.to_string().as_str()), ("120210000000300001", "2026-06-01"));
        let facts = first.facts;
        assert_eq!((facts.spend, facts.revenue), (Money(123_450), Some(Money(15_020))), "{name}");
        assert_eq!((facts.link_clicks, facts.clicks, facts.purchases, facts.add_to_cart), (180.0, 220.0, 3.0, 12.0));
        assert_eq!((second.facts.impressions, second.facts.revenue), (15.0, Some(Money::ZERO)), "{name}");
    }
}

#[test]
fn an_export_that_cannot_be_meant_is_refused_and_says_why() {
    let replaced = |from: &str, to: &str| EXPORT.replace(from, to);
    for (name, text, words) in [
        (
            "German",
            replaced("Amount spent (EUR)", "Ausgegebener Betrag (EUR)"),
            "set the language of Ads Manager to English",
        ),
        ("German names", replaced("Ad ID", "Anzeigen-ID"), "no column for the ad: looked for Ad ID"),
        ("no day", replaced("Ad ID,Day", "Ad ID,Tag").replace("Reporting starts", "x"), "no column for the day"),
        (
            "not by day",
            replaced("Ad ID,Day", "Ad ID,Tag"),
            "line 2: it covers 2026-06-01 to 2026-06-02: break the report down by day",
        ),
        ("dollars", replaced("(EUR)", "(USD)"), "its amounts are in USD, and the account's are in EUR"),
        ("a rounded id", replaced("120210000000300002", "1.2021E+17"), "spreadsheets round long ids"),
        ("no number", replaced("20000,180", "many,180"), "line 2: \"many\" is no number"),
        ("a date of another country", replaced("2026-06-02,0,15", "06/02/2026,0,15"), "\"06/02/2026\" is no day"),
        ("a field too many", replaced("Plain,", "Plain,,"), "14 fields, and the header 13"),
        (
            "another attribution",
            replaced("15,,,,,,7-day click or 1-day view", "15,,,,,,1-day click"),
            "and that of lines before is another",
        ),
        ("twice", replaced("120210000000300002,2026-06-02", "120210000000300001,2026-06-01"), "has 2026-06-01 twice"),
        ("nothing", String::new(), "it has no header"),
    ] {
        let (_folder, path) = file(text.as_bytes());
        let said = history(&path, &frame()).unwrap_err().to_string();
        assert!(said.contains(words) && said.contains("export.csv"), "{name}: {said}");
    }
    let said = history(&file(b"\xFF\x00\xD8").1, &frame()).unwrap_err().to_string();
    assert!(said.contains("export.csv"), "{said}");
}

#[test]
fn a_recorded_file_with_lines_that_end_in_cr_alone_is_a_table_and_no_export() {
    let folder = std::env::var("DEAN_RECORDED_DATA")
        .map_or_else(|_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let path = folder.join("kag/KAG_conversion_data.csv");
    if !path.is_file() {
        println!("skipped: {} is not there", path.display());
        return;
    }
    let said = history(&path, &frame()).unwrap_err().to_string();
    assert!(said.contains("no column for spend") && said.contains("\"Spent\", \"Total_Conversion\""), "{said}");
}

const SHOPIFY: &str = "Name,Email,Financial Status,Paid at,Created at,Currency,Total,Cancelled at,Lineitem name\n\
#1001,a@example.com,paid,2026-06-01 10:00:05 +0200,2026-06-01 10:00:00 +0200,EUR,59.90,,Sand\n\
#1001,a@example.com,,,,,,,Shoes\n\
#1002,b@example.com,refunded,2026-06-02 09:00:00 +0200,2026-06-02 08:59:00 +0200,EUR,20.00,,Sand\n\
#1003,c@example.com,paid,2026-06-02 11:00:00 +0200,2026-06-02 11:00:00 +0200,EUR,35.00,2026-06-03 10:00:00 +0200,Sand\n\
#1004,d@example.com,paid,2026-06-02 12:00:00 +0200,2026-06-02 12:00:00 +0200,USD,35.00,,Sand\n";

#[test]
fn orders_are_read_as_shops_write_them_without_who_bought() {
    let (_folder, path) = file(SHOPIFY.as_bytes());
    let read = orders(&path, &frame()).unwrap();
    assert_eq!((read.rows.len(), read.other_currency), (4, 1), "what was paid in dollars was sold all the same");
    assert!(!format!("{read:?}").contains("example.com"));
    let first = &read.rows[0];
    assert_eq!((first.order_id.as_str(), first.value, first.cancelled), ("#1001", Money(5_990), false));
    assert_eq!(first.placed_at.to_string(), "2026-06-01T08:00:00Z");
    assert!(read.rows.iter().all(|row| !row.cancelled), "what was paid back was bought, and Meta counts it");
    assert_eq!(read.rows[3].value, Money::ZERO);

    let woo =
        "Order Number;Order Date;Order Total;Status\n7;01.06.2026 13:05;1.059,90;completed\n8;2026-06-01;12;failed\n";
    let (_folder, path) = file(woo.as_bytes());
    let read = orders(&path, &frame()).unwrap();
    assert_eq!(
        (read.rows[0].value, read.rows[0].placed_at.to_string().as_str()),
        (Money(1_200), "2026-06-01T10:00:00Z")
    );
    assert_eq!(
        (read.rows[1].value, read.rows[1].placed_at.to_string().as_str()),
        (Money(105_990), "2026-06-01T11:05:00Z")
    );
    assert!(read.rows[0].cancelled);
}

#[test]
fn orders_that_cannot_be_meant_are_refused_whole() {
    for (text, words) in [
        ("Order,Total\n1,2\n", "no column for the order's time"),
        ("Name,Created at\n1,2026-06-01\n", "no column for the order's total"),
        ("Name,Date,Total\nAnn,2026-06-01,5\n", "no column for the order's number"),
        ("Name,Created at,Total\n1,06/02/2026,5\n", "line 2: \"06/02/2026\" is no time that is certain"),
        ("Name,Created at,Total\n1,2026-06-01,5\n2,2026-06-01,free\n", "line 3: \"free\" is no amount"),
        ("Name,Created at,Total\n1,2026-06-01,-5\n", "line 2: \"-5\" is no amount"),
    ] {
        let (_folder, path) = file(text.as_bytes());
        let said = orders(&path, &frame()).unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
    }
}
