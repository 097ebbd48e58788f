//! What numbers say better as a picture: drawn here as SVG, with the same as a table beside it.

use leptos::prelude::*;
use tandem_types::DayView;

use crate::text::{self, settings as words};

/// The picture's own units; it takes the width that there is.
const WIDTH: u32 = 300;
const HEIGHT: u32 = 60;

/// Syncs, items and durations of the last days; nothing where no session ran.
pub(super) fn charts_card(days: &[DayView]) -> Option<impl IntoView + use<>> {
    let ran = days.iter().any(|day| day.well + day.badly > 0);
    ran.then(|| {
        let days = days.to_vec();
        view! {
            <section class="card" id="charts" aria-labelledby="charts-title">
                <h2 id="charts-title">{words::CHARTS.get()}</h2>
                <div class="charts">
                    {chart("syncs", words::CHART_SYNCS.get(), &days, |day| (day.well, day.badly))}
                    {chart("written", words::CHART_WRITTEN.get(), &days, |day| (day.written, 0))}
                    {chart("took", words::CHART_TOOK.get(), &days, |day| (seconds(day), 0))}
                </div>
                {table(&days)}
            </section>
        }
    })
}

/// A bar for each day, `(below, on top)`; on top is what is not well.
fn chart(
    name: &'static str,
    title: &'static str,
    days: &[DayView],
    value: fn(&DayView) -> (u32, u32),
) -> impl IntoView + use<> {
    let values: Vec<(u32, u32)> = days.iter().map(value).collect();
    let all = |&(below, above): &(u32, u32)| below.saturating_add(above);
    let most = values.iter().map(all).max().unwrap_or(0);
    let said = words::chart_says(title, most, values.last().map_or(0, all));
    let step = WIDTH / u32::try_from(days.len().max(1)).unwrap_or(WIDTH).min(WIDTH);
    let tall = |n: u32| height(n, most);
    let bars = values
        .iter()
        .zip(0_u32..)
        .map(|(&(below, above), at)| {
            let (x, low, high) = (at * step, tall(below), tall(above));
            let bar = move |class: &'static str, y: u32, height: u32| {
                (height > 0).then(|| {
                    view! { <rect class=class x=x y=y width=step.saturating_sub(2).max(1) height=height></rect> }
                })
            };
            let low_at = HEIGHT - low;
            view! {
                {bar("well", low_at, low)}
                {bar("badly", low_at.saturating_sub(high), high)}
            }
        })
        .collect_view();
    let title_id = format!("chart-{name}-title");
    let said_id = format!("chart-{name}-said");
    let named = format!("{title_id} {said_id}");
    view! {
        <figure>
            <figcaption class="hint">{title} " (" {text::number(most)} ")"</figcaption>
            <svg
                class="chart"
                viewBox=format!("0 0 {WIDTH} {HEIGHT}")
                preserveAspectRatio="none"
                role="img"
                aria-labelledby=named
            >
                <title id=title_id>{title}</title>
                <desc id=said_id>{said}</desc>
                {bars}
            </svg>
        </figure>
    }
}

/// In the picture's units; what is there is seen, however little it is.
fn height(n: u32, most: u32) -> u32 {
    if n == 0 || most == 0 {
        return 0;
    }
    let scaled = u64::from(n) * u64::from(HEIGHT) / u64::from(most);
    u32::try_from(scaled).unwrap_or(HEIGHT).clamp(1, HEIGHT)
}

const fn seconds(day: &DayView) -> u32 {
    day.took.div_ceil(1000)
}

fn table(days: &[DayView]) -> impl IntoView + use<> {
    let rows = days
        .iter()
        .rev()
        .filter(|day| day.well + day.badly > 0)
        .map(|day| {
            view! {
                <tr>
                    <th scope="row">{text::date(day.day)}</th>
                    <td>{text::number(day.well)}</td>
                    <td>{text::number(day.badly)}</td>
                    <td>{text::number(day.written)}</td>
                    <td>{text::number(seconds(day))}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <details class="more">
            <summary>{words::CHART_TABLE.get()}</summary>
            <table class="days-table">
                <caption class="unseen">{words::CHARTS.get()}</caption>
                <thead>
                    <tr>
                        <th scope="col">{words::DAY.get()}</th>
                        <th scope="col">{words::WELL.get()}</th>
                        <th scope="col">{words::BADLY.get()}</th>
                        <th scope="col">{words::WRITTEN.get()}</th>
                        <th scope="col">{words::SECONDS.get()}</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </details>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_tall_as_its_share_and_never_lost() {
        assert_eq!(height(0, 10), 0);
        assert_eq!(height(10, 10), HEIGHT);
        assert_eq!(height(5, 10), HEIGHT / 2);
        assert_eq!(height(1, 1_000_000), 1);
        assert_eq!(height(3, 0), 0);
    }
}
