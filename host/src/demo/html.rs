//! The demo's report as one page of HTML, without anything from elsewhere.

use super::{Daily, DemoReport, Profit};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use plotters::prelude::*;

const WIDTH: u32 = 860;
const HEIGHT: u32 = 340;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:54rem;margin:2rem auto;padding:0 1rem;color:#1d2733}\
    h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}.note{background:#fff4d6;padding:.6rem .9rem;border-radius:.4rem}\
    table{border-collapse:collapse;width:100%}th,td{text-align:right;padding:.35rem .6rem;border-bottom:1px solid #e3e7ec}\
    th:first-child,td:first-child{text-align:left}svg{width:100%;height:auto}li{margin:.4rem 0}";

/// Somebody who is compared.
struct Way {
    name: &'static str,
    colour: RGBColor,
    get: fn(&Profit) -> f64,
}

/// In the order of every table and line.
const WAYS: [Way; 4] = [
    Way { name: "Dean", colour: RGBColor(11, 110, 79), get: |p| p.dean },
    Way { name: "untouched", colour: RGBColor(140, 148, 158), get: |p| p.untouched },
    Way { name: "plain thresholds", colour: RGBColor(201, 123, 34), get: |p| p.thresholds },
    Way { name: "the truth known", colour: RGBColor(58, 96, 178), get: |p| p.truth },
];

/// The page.
#[must_use]
pub fn page(report: &DemoReport) -> String {
    let currency = &report.currency;
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Dean: demo on simulated accounts" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Dean on simulated accounts" }
                p.note { "Everything here is simulated: " (report.worlds.len()) " world(s) of " (report.ads) " ads, "
                    (report.days) " days, run hour by hour. No real account, no real money." }
                h2 { "Profit per world (" (currency) ")" }
                (table(report))
                p { "Profit is attributed revenue less cost of goods and spend, once everything has settled. Each world is lived \
                    through four times from the same beginning with the same dice." }
                h2 { "The first world, day by day" }
                (chart(&report.daily, currency))
                p { (report.runs) " runs, " (report.decisions) " decisions, " (report.kills) " ads paused, "
                    (report.promotions) " promotions, " (report.budget_changes) " budget changes, with "
                    (report.api.reads) " reads and " (report.api.writes) " writes." }
                @if !report.examples.is_empty() {
                    h2 { "Why" }
                    ul { @for example in &report.examples { li { (example) } } }
                }
            }
        }
    };
    markup.into_string()
}

fn table(report: &DemoReport) -> Markup {
    html! {
        table {
            thead { tr { th { "Who runs it" } th { "Mean" } th { "95 % interval" }
                @for world in &report.worlds { th { "seed " (world.seed) } } } }
            tbody {
                @for (way, (_, spread)) in WAYS.iter().zip(report.spreads()) {
                    tr {
                        td { (way.name) }
                        td { (format!("{:.0}", spread.mean)) }
                        td { @if spread.half_width.is_nan() { "one world" } @else {
                            (format!("{:.0} to {:.0}", spread.mean - spread.half_width, spread.mean + spread.half_width)) } }
                        @for world in &report.worlds { td { (format!("{:.0}", (way.get)(&world.profit))) } }
                    }
                }
            }
        }
    }
}

fn chart(daily: &[Daily], currency: &str) -> Markup {
    let mut svg = String::new();
    match draw(daily, currency, &mut svg) {
        Ok(()) => PreEscaped(svg),
        // The numbers stand in the table; a page without its picture is still a page.
        Err(error) => html! { p { "The chart could not be drawn: " (error) } },
    }
}

fn draw(daily: &[Daily], currency: &str, svg: &mut String) -> Result<(), String> {
    let values = || daily.iter().flat_map(|d| WAYS.iter().map(|way| (way.get)(&d.profit)));
    let low = values().fold(0.0, f64::min);
    let high = values().fold(1.0, f64::max);
    let area = SVGBackend::with_string(svg, (WIDTH, HEIGHT)).into_drawing_area();
    let failed = |error: DrawingAreaErrorKind<_>| error.to_string();
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..daily.len() as f64, low..high * 1.05)
        .map_err(failed)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc("days")
        .y_desc(format!("profit so far, {currency}"))
        .y_label_formatter(&|value| format!("{value:.0}"))
        .x_label_formatter(&|value| format!("{value:.0}"))
        .draw()
        .map_err(failed)?;
    for Way { name, colour, get } in &WAYS {
        let points =
            std::iter::once((0.0, 0.0)).chain(daily.iter().enumerate().map(|(i, d)| (i as f64 + 1.0, get(&d.profit))));
        let style = colour.stroke_width(2);
        let line = chart.draw_series(LineSeries::new(points, style)).map_err(failed)?;
        line.label(*name).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .draw()
        .map_err(failed)?;
    area.present().map_err(failed)
}
