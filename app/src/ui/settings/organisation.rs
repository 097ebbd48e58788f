//! The organisation, for its administrators: is everyone syncing, and if not, why not?

use leptos::either::Either;
use leptos::prelude::*;
use tandem_types::{
    IntegrationView, OrgAct, OrgDenied, OrgRun, OrgRunState, OrgUser, OrgUserView, OrgView, Verdict,
};

use super::facts::facts;
use crate::call::{Call, form};
use crate::page::{PageData, SettingsPage};
use crate::place::{Part, Place};
use crate::text::{self, organisation as words};
use crate::ui::parts::{Look, act, form_token, lines, when};

pub(super) fn cards(p: &PageData, s: &SettingsPage) -> impl IntoView + use<> {
    match (&s.organisation, &s.org_user) {
        (Some(Err(denied)), _) | (_, Some(Err(denied))) => denied_card(*denied).into_any(),
        (Some(Ok(view)), _) => vec![
            overview_card(p, view).into_any(),
            view.run.as_ref().map(|run| run_card(p, run)).into_any(),
            users_card(p, &s.place, view).into_any(),
            integration_card(p, view.integration.as_ref()).into_any(),
            support_card(p, view).into_any(),
        ]
        .into_any(),
        (_, Some(Ok(user))) => user_cards(p, user.as_ref()).into_any(),
        // It could not be had: that is told above.
        (None, None) => ().into_any(),
    }
}

fn denied_card(denied: OrgDenied) -> impl IntoView {
    view! {
        <section class="card" id="denied" aria-labelledby="denied-title">
            <h2 id="denied-title">{words::DENIED_TITLE.get()}</h2>
            <p>{words::denied(denied)}</p>
        </section>
    }
}

/// The answer at one look.
fn overview_card(p: &PageData, view: &OrgView) -> impl IntoView + use<> {
    let causes = view
        .counts
        .iter()
        .filter(|count| !matches!(count.verdict, Verdict::Syncing))
        .map(|count| {
            let place = Place {
                verdict: Some(count.verdict),
                ..Place::of(Part::Organisation)
            };
            let class = if count.verdict.is_trouble() {
                "verdict trouble"
            } else {
                "verdict"
            };
            view! {
                <li>
                    <a class=class href=place.url()>
                        {words::verdict(count.verdict)}
                    </a>
                    " "
                    {text::number(count.users)}
                    ": "
                    {words::cause(count)}
                </li>
            }
        })
        .collect_view();
    let issues: Vec<String> = view
        .issues
        .iter()
        .map(|(code, n)| format!("{}: {}", text::number(*n), text::issue(*code)))
        .collect();
    let meter = view
        .meter
        .map(|of| facts(vec![(words::METER.get(), words::meter(of))]));
    let total: u32 = view.issues.iter().map(|(_, n)| n).sum();
    view! {
        <section class="card" id="organisation" aria-labelledby="organisation-title">
            <h2 id="organisation-title">{view.name.clone()}</h2>
            <p class="headline">{words::headline(&view.counts)}</p>
            <ul class="causes" aria-label=words::WHY.get()>{causes}</ul>
            {meter}
            {(total > 0)
                .then(|| {
                    view! {
                        <details class="more" id="org-issues">
                            <summary>
                                {words::ISSUES_TITLE.get()} " "
                                <span class="badge">{text::number(total)}</span>
                            </summary>
                            {lines("stack", issues)}
                        </details>
                    }
                })}
            <p class="hint">{when(p, p.view.now)}</p>
        </section>
    }
}

/// What was ordered last, and how far it is.
fn run_card(p: &PageData, run: &OrgRun) -> impl IntoView + use<> {
    let one = |call: Call, label: &'static str| {
        act(
            p,
            call,
            label,
            Look::Plain,
            None,
            vec![("run", run.id.to_string())],
        )
    };
    let faults: Vec<String> = run
        .faults
        .iter()
        .map(|(name, fault)| format!("{name}: {}", words::fault(*fault)))
        .collect();
    let total = run.total.to_string();
    let reached = run
        .done
        .saturating_add(run.passed)
        .saturating_add(run.failed)
        .to_string();
    let running = run.state == OrgRunState::Running;
    view! {
        <section class="card" id="org-run" aria-labelledby="org-run-title">
            <h2 id="org-run-title">{words::run_title(run)}</h2>
            {running
                .then(|| {
                    view! { <progress max=total value=reached aria-labelledby="org-run-title"></progress> }
                })}
            <p role="status">{words::run_so_far(run)} " " {when(p, run.updated)}</p>
            {(!faults.is_empty())
                .then(|| {
                    view! {
                        <h3>{words::FAULTS.get()}</h3>
                        {lines("stack", faults)}
                    }
                })}
            <div class="buttons">
                {running.then(|| one(Call::OrgHalt, words::HALT.get()))}
                {run.state.can_go_on().then(|| one(Call::OrgGoOn, words::GO_ON.get()))}
            </div>
        </section>
    }
}

fn users_card(p: &PageData, place: &Place, view: &OrgView) -> impl IntoView + use<> {
    let listed = if view.users.is_empty() {
        Either::Left(view! { <p class="hint">{words::NOBODY.get()}</p> })
    } else {
        Either::Right(users_form(p, place, view))
    };
    view! {
        <section class="card" id="org-users" aria-labelledby="org-users-title">
            <h2 id="org-users-title">
                {words::USERS.get()} " " <span class="badge">{text::number(view.matching)}</span>
            </h2>
            {filter(place, view)}
            {listed}
            {pages(place, view)}
        </section>
    }
}

/// Links and a form that only ask for another page.
fn filter(place: &Place, view: &OrgView) -> impl IntoView + use<> {
    let chip = |verdict: Option<Verdict>, label: &'static str| {
        let n: u32 = view
            .counts
            .iter()
            .filter(|count| verdict.is_none_or(|verdict| verdict == count.verdict))
            .map(|count| count.users)
            .sum();
        let current = (place.verdict == verdict).then_some("true");
        let place = Place {
            verdict,
            after: None,
            ..place.clone()
        };
        view! {
            <li>
                <a href=place.url() aria-current=current>
                    {label}
                    " "
                    {text::number(n)}
                </a>
            </li>
        }
    };
    let path = Place::of(Part::Organisation).url();
    view! {
        <nav class="filter" aria-label=words::SHOW.get()>
            <ul class="chips">
                {chip(None, words::EVERYBODY.get())}
                {Verdict::ALL.map(|one| chip(Some(one), words::verdict(one))).into_iter().collect_view()}
            </ul>
        </nav>
        <form role="search" method="get" action=path>
            {place.verdict.map(|one| view! { <input type="hidden" name="verdict" value=one.as_str()/> })}
            <label for="org-search">{words::SEARCH.get()}</label>
            <div class="search-line">
                <input
                    id="org-search"
                    name="q"
                    type="search"
                    maxlength="80"
                    autocomplete="off"
                    spellcheck="false"
                    value=place.search.clone()
                />
                <button type="submit" class=Look::Plain.class()>
                    {words::SEARCH_DO.get()}
                </button>
            </div>
        </form>
    }
}

/// The table, and what can be done with those who are ticked.
fn users_form(p: &PageData, place: &Place, view: &OrgView) -> impl IntoView + use<> {
    let rows = view
        .users
        .iter()
        .enumerate()
        .map(|(at, user)| user_row(p, at, user).into_any())
        .collect_view();
    let head = |label: &'static str| view! { <th role="columnheader" scope="col">{label}</th> };
    let button = |act: OrgAct, call: Call, look: Look| {
        view! {
            <button type="submit" class=look.class() formaction=call.path()>
                {words::act(act)}
            </button>
        }
    };
    // Once something was ordered it is another form: what was ticked in this one is over.
    let key = view
        .run
        .as_ref()
        .map_or_else(|| "first".to_owned(), |run| run.id.to_string());
    view! {
        // Each button names its own address; this one stands for the Enter key, which asks for the least.
        <form class="choose" id="org-form" method="post" action=Call::OrgSyncNow.path() data-key=key>
            {form_token(p)}
            <input type="hidden" name="verdict" value=place.verdict.map_or("", Verdict::as_str)/>
            <input type="hidden" name="q" value=place.search.clone()/>
            <table class="people" role="table" aria-labelledby="org-users-title">
                <thead role="rowgroup">
                    <tr role="row">
                        <th role="columnheader" scope="col"><span class="unseen">{words::CHOSEN.get()}</span></th>
                        {head(words::USER.get())}
                        {head(words::STATE.get())}
                        {head(words::SERVER.get())}
                        {head(words::LAST.get())}
                        {head(words::LAG.get())}
                        {head(words::ISSUES.get())}
                    </tr>
                </thead>
                <tbody role="rowgroup">{rows}</tbody>
            </table>
            <fieldset class="choices" id="org-actions">
                <legend>{words::ACTIONS.get()}</legend>
                <label class="kind">
                    <input type="checkbox" name="all" value="on"/>
                    <span>{words::all_that_match(view.matching)}</span>
                </label>
                <p class="hint">{words::WAVES.get()}</p>
                <div class="buttons">
                    {button(OrgAct::SyncNow, Call::OrgSyncNow, Look::Plain)}
                    {button(OrgAct::Pause, Call::OrgPause, Look::Plain)}
                    {button(OrgAct::Resume, Call::OrgResume, Look::Plain)}
                </div>
                <details class="more" id="org-deactivate">
                    <summary>{words::DEACTIVATE_MORE.get()}</summary>
                    <p>{words::DEACTIVATE_WHAT.get()}</p>
                    <label class="kind">
                        <input type="checkbox" name="sure" value="on"/>
                        <span>{words::SURE.get()}</span>
                    </label>
                    <div class="buttons">{button(OrgAct::Deactivate, Call::OrgDeactivate, Look::Danger)}</div>
                </details>
            </fieldset>
        </form>
    }
}

fn user_row(p: &PageData, at: usize, user: &OrgUser) -> impl IntoView + use<> {
    let detail = Place {
        user: Some(user.user.clone()),
        ..Place::of(Part::Organisation)
    };
    let name = shown_name(user);
    let class = if user.verdict.is_trouble() {
        "verdict trouble"
    } else {
        "verdict"
    };
    let address = user
        .address
        .clone()
        .map(|address| view! { <span class="hint">{address}</span> });
    let last = match user.last {
        Some((outcome, ended)) => Either::Left(view! {
            {when(p, ended)}
            <span class="hint">{text::outcome(outcome)}</span>
        }),
        None => Either::Right(words::NEVER.get()),
    };
    // The key makes the row the same one after a change, so that its tick stays.
    view! {
        <tr role="row" data-key=user.user.to_string()>
            <td role="cell">
                <input
                    type="checkbox"
                    name=format!("users[{at}]")
                    value=user.user.to_string()
                    aria-label=words::choose(&name)
                />
            </td>
            <th role="rowheader" scope="row">
                <a href=detail.url()>{name}</a>
                <span class="hint">{user.username.clone()}</span>
                {address}
            </th>
            <td role="cell" data-label=words::STATE.get()>
                <span class=class>{words::verdict(user.verdict)}</span>
                <span class="hint">{words::why(user, p.view.now)}</span>
            </td>
            <td role="cell" data-label=words::SERVER.get()>{words::server(user.server)}</td>
            <td role="cell" data-label=words::LAST.get()>{last}</td>
            <td role="cell" data-label=words::LAG.get()>{user.overdue.map(|due| when(p, due))}</td>
            <td role="cell" data-label=words::ISSUES.get()>{text::number(user.issues)}</td>
        </tr>
    }
}

fn shown_name(user: &OrgUser) -> String {
    if user.name.is_empty() {
        user.username.clone()
    } else {
        user.name.clone()
    }
}

fn pages(place: &Place, view: &OrgView) -> impl IntoView + use<> {
    let link = |after: Option<tandem_types::UserId>, label: &'static str| {
        let place = Place {
            after,
            ..place.clone()
        };
        view! { <a href=format!("{}#org-users", place.url())>{label}</a> }
    };
    let fields = [
        ("verdict", place.verdict.map(Verdict::as_str)),
        ("q", (!place.search.is_empty()).then_some(place.search.as_str())),
    ];
    let query = form(
        fields
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let export = format!("/settings/organisation.csv?{query}");
    let first = place.after.is_some().then(|| link(None, words::FIRST.get()));
    let next = view.next.clone().map(|next| link(Some(next), words::NEXT.get()));
    view! {
        <p class="pages">
            {first} {next} <a href=export.trim_end_matches('?').to_owned() download="">{words::EXPORT.get()}</a>
        </p>
    }
}

/// Who asks Salesforce for everybody what has changed, and whether it can.
fn integration_card(p: &PageData, of: Option<&IntegrationView>) -> impl IntoView + use<> {
    // A plain link, in this window: the answer comes back to this page.
    let connect = |label: &'static str, class: &'static str| {
        view! {
            <a class=class id="connect-integration" href="/auth/start?to=organisation&as=integration">
                {label}
            </a>
        }
    };
    let way = if let Some(of) = of {
        let trouble = of.trouble.map(|(trouble, since)| {
            view! {
                <p class="verdict trouble" role="status">
                    {words::integration_trouble(trouble)}
                    " "
                    {when(p, since)}
                </p>
            }
        });
        let (again, class) = if of.trouble.is_some() {
            (words::INTEGRATION_AGAIN.get(), "button primary")
        } else {
            (words::INTEGRATION_CHANGE.get(), "button")
        };
        Either::Left(view! {
            {trouble}
            <dl class="facts">
                <div>
                    <dt>{words::USER_NAME.get()}</dt>
                    <dd>{of.username.clone()}</dd>
                </div>
                <div>
                    <dt>{words::INTEGRATION_BY.get()}</dt>
                    <dd>{words::person(&of.by).to_owned()} ", " {when(p, of.since)}</dd>
                </div>
                <div>
                    <dt>{words::INTEGRATION_ASKED.get()}</dt>
                    <dd>
                        {match of.asked {
                            Some(at) => Either::Left(when(p, at)),
                            None => Either::Right(words::NEVER.get()),
                        }}
                    </dd>
                </div>
            </dl>
            <div class="buttons">
                {connect(again, class)}
                {act(p, Call::OrgDisconnect, words::INTEGRATION_END.get(), Look::Plain, None, Vec::new())}
            </div>
        })
    } else {
        Either::Right(view! {
            <p class="hint">{words::INTEGRATION_OFF.get()}</p>
            <div class="buttons">{connect(words::INTEGRATION_CONNECT.get(), "button")}</div>
        })
    };
    view! {
        <section class="card" id="integration" aria-labelledby="integration-title">
            <h2 id="integration-title">{words::INTEGRATION_TITLE.get()}</h2>
            {way}
        </section>
    }
}

/// Whether administrators see what is in people's items.
fn support_card(p: &PageData, view: &OrgView) -> impl IntoView + use<> {
    let way = if let Some((name, since)) = &view.support {
        Either::Left(view! {
            <p>{words::support_by(name)} " " {when(p, *since)} "."</p>
            <div class="buttons">
                {act(p, Call::OrgSupport, words::SUPPORT_END.get(), Look::Primary, None, Vec::new())}
            </div>
        })
    } else {
        let on = vec![("on", "yes".to_owned())];
        Either::Right(view! {
            <p class="hint">{words::SUPPORT_OFF.get()}</p>
            <div class="buttons">
                {act(p, Call::OrgSupport, words::SUPPORT_ALLOW.get(), Look::Plain, None, on)}
            </div>
        })
    };
    view! {
        <section class="card" id="support" aria-labelledby="support-title">
            <h2 id="support-title">{words::SUPPORT_TITLE.get()}</h2>
            {way}
        </section>
    }
}

/// One user: how the sync stands; what is open, as far as it may be seen.
fn user_cards(p: &PageData, view: Option<&OrgUserView>) -> impl IntoView + use<> {
    let back = Place::of(Part::Organisation).url();
    let Some(view) = view else {
        return view! {
            <p class="hint">{words::NOBODY.get()}</p>
            <p class="pages"><a href=back>{words::BACK.get()}</a></p>
        }
        .into_any();
    };
    let user = &view.user;
    let mut rows = vec![
        (words::STATE.get(), words::verdict(user.verdict).to_owned()),
        (words::REASON.get(), words::why(user, p.view.now)),
        (words::USER_NAME.get(), user.username.clone()),
        (words::SERVER.get(), words::server(user.server).to_owned()),
    ];
    rows.extend(
        user.address
            .clone()
            .map(|address| (words::ADDRESS.get(), address)),
    );
    let sessions = view
        .sessions
        .iter()
        .map(|session| {
            let issues = (session.issues > 0)
                .then(|| format!(" · {}: {}", words::ISSUES.get(), text::number(session.issues)));
            view! {
                <li>
                    {when(p, session.started)}
                    " · "
                    {session.outcome.map(text::outcome)}
                    {issues}
                </li>
            }
        })
        .collect_view();
    let issues = match &view.issues {
        Some(issues) => Either::Left(
            issues
                .iter()
                .map(|issue| {
                    view! {
                        <li data-key=issue.id.to_string()>
                            <div class="line">
                                <strong>{issue.title.clone()}</strong>
                                <span class="hint">{when(p, issue.since)}</span>
                            </div>
                            <p>{text::issue(issue.code)}</p>
                        </li>
                    }
                })
                .collect_view(),
        ),
        None => Either::Right(
            view.counts
                .iter()
                .map(|(code, n)| view! { <li><p>{text::number(*n)} ": " {text::issue(*code)}</p></li> })
                .collect_view(),
        ),
    };
    let hidden = (view.issues.is_none() && user.issues > 0)
        .then(|| view! { <p class="hint">{words::SUPPORT_NEEDED.get()}</p> });
    view! {
        <p class="pages"><a href=back>{words::BACK.get()}</a></p>
        <section class="card" id="org-user" aria-labelledby="org-user-title">
            <h2 id="org-user-title">{shown_name(user)}</h2>
            {facts(rows)}
        </section>
        <section class="card" id="org-user-sessions" aria-labelledby="org-user-sessions-title">
            <h2 id="org-user-sessions-title">{words::SESSIONS.get()}</h2>
            <ul class="stack">{sessions}</ul>
        </section>
        <section class="card" id="org-user-issues" aria-labelledby="org-user-issues-title">
            <h2 id="org-user-issues-title">
                {words::ISSUES.get()} " " <span class="badge">{text::number(user.issues)}</span>
            </h2>
            {hidden}
            <ul class="rows">{issues}</ul>
        </section>
    }
    .into_any()
}
