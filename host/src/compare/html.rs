//! A comparison as one page of HTML, without anything from elsewhere.

use super::report::{Comparison, Difference, Done, PauseDay};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use plotters::prelude::*;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1d2733}\
    h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}.note{background:#fff4d6;padding:.6rem .9rem;border-radius:.4rem}\
    table{border-collapse:collapse;width:100%;font-size:.9rem}\
    th,td{text-align:right;padding:.3rem .5rem;border-bottom:1px solid #e3e7ec;vertical-align:top}\
    th.t,td.t{text-align:left}svg{width:100%;height:auto}li{margin:.4rem 0}";

/// Differences that a page lists; the JSON has all.
const LISTED: usize = 200;
const WIDTH: u32 = 960;
const HEIGHT: u32 = 260;
const BEFORE: RGBColor = RGBColor(140, 148, 158);
const AFTER: RGBColor = RGBColor(11, 110, 79);

/// The page.
#[must_use]
pub fn page(report: &Comparison) -> String {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Dean: backtest" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Backtest of " (report.account) }
                @for line in report.headline() { p { (line) } }
                h2 { "Stages" }
                table {
                    thead { tr { th.t { "Stage" } th.t { "Before" } th.t { "After" } } }
                    tbody { @for stage in &report.stages { tr {
                        td.t { (stage.stage) } td.t { (stage.before.join(", ")) } td.t { (stage.after) }
                    } } }
                }
                h2 { "By rule" }
                (rules(report))
                h2 { "Ads paused, counted up" }
                (chart(report))
                h2 { "Where they differ" }
                (differences(report))
                h2 { "What this cannot say" }
                ul { @for line in &report.unknown { li { (line) } } }
            }
        }
    };
    markup.into_string()
}

fn rules(report: &Comparison) -> Markup {
    html! {
        table {
            thead { tr {
                th.t { "Stage" } th.t { "Rule" } th.t { "Does" }
                @for name in ["Before", "After", "Same", "Earlier", "Later", "Amount", "Gone", "New"] { th { (name) } }
                th { "Budget moved before" } th { "after" }
            } }
            tbody { @for line in &report.rules { tr {
                td.t { (line.stage) } td.t { (line.rule) } td.t { (line.does) }
                @for count in [line.before, line.after, line.same, line.earlier, line.later, line.amount, line.gone, line.new] {
                    td { (count) }
                }
                td { (format!("{:.0}", line.budget.before)) } td { (format!("{:.0}", line.budget.after)) }
            } } }
        }
    }
}

fn differences(report: &Comparison) -> Markup {
    let shown = |done: &Option<Done>| match done {
        None => "nothing".to_string(),
        Some(done) => match (done.from, done.amount) {
            (Some(from), Some(to)) => format!("{} ({from:.2} to {to:.2})", done.rule),
            (None, Some(amount)) => format!("{} ({amount:.2})", done.rule),
            _ => done.rule.clone(),
        },
    };
    html! {
        @if report.differences.len() > LISTED {
            p { "The first " (LISTED) " of " (report.differences.len()) "; the JSON has all." }
        }
        table {
            thead { tr { th.t { "When" } th.t { "What" } th.t { "Change" } th.t { "Before" } th.t { "After" }
                th.t { "What it went on to do" } } }
            tbody { @for difference in report.differences.iter().take(LISTED) { tr {
                td.t { (difference.at) }
                td.t { (difference.does) " " (difference.subject()) }
                td.t { (difference.change) @if let Some(hours) = difference.hours { " by " (format!("{:.0}", hours.abs())) " h" } }
                td.t { (shown(&difference.before)) }
                td.t { (shown(&difference.after)) }
                td.t { (difference.outcome_words(&report.currency)) }
            } } }
        }
    }
}

/// Pauses of both sides, counted up day by day; nothing where there are none.
fn chart(report: &Comparison) -> Markup {
    if report.pauses.is_empty() {
        return html! { p { "Neither side pauses an ad." } };
    }
    let mut sums = [0, 0];
    let counted = |day: &PauseDay| {
        sums = [sums[0] + day.kills.before as i64, sums[1] + day.kills.after as i64];
        sums
    };
    let series: Vec<[i64; 2]> = report.pauses.iter().map(counted).collect();
    let names: Vec<&str> = report.pauses.iter().map(|day| day.date.as_str()).collect();
    let mut svg = String::new();
    // Drawing into memory cannot fail but for the library's own limits; a page without its chart still says all.
    let _ = draw(&mut svg, &names, &series);
    html! { (PreEscaped(svg)) }
}

fn draw(svg: &mut String, days: &[&str], series: &[[i64; 2]]) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, (WIDTH, HEIGHT)).into_drawing_area();
    let top = series.last().map_or(1, |last| last[0].max(last[1])).max(1);
    let mut chart = ChartBuilder::on(&root)
        .margin(8)
        .x_label_area_size(28)
        .y_label_area_size(40)
        .build_cartesian_2d(0..days.len().max(2) - 1, 0..top)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_labels(8)
        .x_label_formatter(&|i| days.get(*i).map(ToString::to_string).unwrap_or_default())
        .draw()?;
    for (side, name, colour) in [(0, "before", BEFORE), (1, "after", AFTER)] {
        let points = series.iter().enumerate().map(|(i, day)| (i, day[side]));
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart.configure_series_labels().position(SeriesLabelPosition::UpperLeft).border_style(WHITE).draw()?;
    root.present()?;
    Ok(())
}

impl Difference {
    /// The ad by name, or the owner of the budget.
    #[must_use]
    pub fn subject(&self) -> &str {
        let named = self.ad_name.as_deref().or(self.ad_id.as_deref());
        named.or(self.owner_id.as_deref()).unwrap_or_default()
    }

    /// What an ad went on to do, for a person.
    #[must_use]
    pub fn outcome_words(&self, currency: &str) -> String {
        let Some(outcome) = &self.outcome else { return String::new() };
        let open = if outcome.settled { "" } else { " so far" };
        let earned = match outcome.profit {
            Some(profit) => format!(", {profit:+.0} {currency} of profit"),
            None => String::new(),
        };
        let sold = match outcome.purchases {
            1.0 => "1 purchase".to_string(),
            purchases => format!("{purchases:.0} purchases"),
        };
        let (spend, from, to) = (outcome.spend, &outcome.from, &outcome.to);
        let copies = match outcome.copies {
            0 => String::new(),
            1 => ", its copy among it".into(),
            copies => format!(", its {copies} copies among it"),
        };
        format!("{sold} for {spend:.0} {currency}{earned}{open} ({from} to {to}{copies})")
    }
}
