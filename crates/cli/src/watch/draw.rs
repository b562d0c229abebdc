//! Draws the board.

use std::sync::OnceLock;
use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table, TableState};
use tokio::time::Instant;
use zre::State;

use super::board::{Aim, Board, Presence, Row as Peer, Typing, Weight};
use crate::text::{fingerprint, shown};

/// A reminder of the keys.
const KEYS: &str = "↑↓ choose  w whisper  s shout  g join  G leave group  / filter  q quit";

/// The least number of rows for the events, with their frame.
const NEWS: u16 = 4;

pub(super) fn draw(frame: &mut Frame<'_>, board: &mut Board) {
    let wanted = u16::try_from(board.rows().len()).unwrap_or(u16::MAX);
    // A frame, and the heading.
    let wanted = wanted.saturating_add(3).max(5);
    let [title, peers, news, bottom] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Max(wanted),
        Constraint::Min(NEWS),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(cut_line(heading(board), title.width), title);
    table(frame, board, peers);
    happenings(frame, board, news);
    footer(frame, board, bottom);
}

/// A style if colours are wanted, by the convention of NO_COLOR.
fn coloured(color: Color) -> Style {
    static PLAIN: OnceLock<bool> = OnceLock::new();
    let plain =
        *PLAIN.get_or_init(|| std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()));
    match plain {
        true => Style::new(),
        false => Style::new().fg(color),
    }
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

fn heading(board: &Board) -> Line<'_> {
    let own = &board.own;
    let mut spans = vec![
        Span::styled(" zre ", bold().add_modifier(Modifier::REVERSED)),
        Span::styled(format!(" {} ", shown(&own.name)), bold()),
        Span::raw(own.endpoint.clone()),
    ];
    if !own.groups.is_empty() {
        let groups: Vec<_> = own.groups.iter().map(|group| shown(group)).collect();
        spans.push(Span::raw(format!("  in {}", groups.join(", "))));
    }
    if !board.filter.is_empty() {
        let filter = format!("  only \"{}\"", shown(&board.filter));
        spans.push(Span::styled(filter, coloured(Color::Yellow)));
    }
    Line::from(spans)
}

fn table(frame: &mut Frame<'_>, board: &Board, area: Rect) {
    let now = Instant::now();
    let rows = board.rows();
    let (seen, all) = (rows.len(), board.count());
    let title = match seen == all {
        true => format!(" peers: {all} "),
        false => format!(" peers: {seen} of {all} "),
    };
    let columns = columns(area.width);
    let constraints = || columns.iter().map(|column| column.width);
    // The same division as that of the table inside its frame.
    let inside = Rect::new(0, 0, area.width.saturating_sub(2), 1);
    let cells = Layout::horizontal(constraints()).spacing(1).split(inside);
    let widths: Vec<u16> = cells.iter().map(|cell| cell.width).collect();
    let head = columns.iter().map(|column| column.name);
    let rows = rows.iter().map(|row| line(row, columns, &widths, now));
    let table = Table::new(rows, constraints())
        .header(Row::new(head).style(dim()))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
        .block(Block::bordered().title(title).border_style(dim()));
    let mut state = TableState::new().with_selected(board.position());
    frame.render_stateful_widget(table, area, &mut state);
}

/// A column of the table of peers.
struct Column {
    name: &'static str,
    width: Constraint,
    cell: fn(&Peer, Instant) -> (String, Style),
}

/// In the order of their importance: a narrow screen shows the first ones.
static COLUMNS: [Column; 10] = [
    Column {
        name: "name",
        width: Constraint::Fill(2),
        cell: |row, _| (shown(&row.peer.name).into_owned(), bold()),
    },
    Column {
        name: "state",
        width: Constraint::Length(8),
        cell: |row, _| (row.peer.state.to_string(), coloured(state(row.peer.state))),
    },
    Column {
        name: "groups",
        width: Constraint::Fill(3),
        cell: |row, _| {
            let groups: Vec<_> = row.peer.groups.iter().map(|group| shown(group)).collect();
            (groups.join(", "), Style::new())
        },
    },
    Column {
        name: "link",
        width: Constraint::Length(6),
        // A + behind it as `zre peers` has it: encrypted.
        cell: |row, _| (link(row), Style::new()),
    },
    Column {
        name: "silence",
        width: Constraint::Length(7),
        cell: |row, now| {
            let silence = row.silence(now).map(lasting);
            (silence.unwrap_or_default(), worry(row))
        },
    },
    Column {
        name: "in",
        width: Constraint::Length(5),
        cell: |row, _| (row.received.to_string(), Style::new()),
    },
    Column {
        name: "out",
        width: Constraint::Length(5),
        cell: |row, _| (row.sent.to_string(), Style::new()),
    },
    Column {
        name: "address",
        width: Constraint::Fill(4),
        cell: |row, _| (shown(&row.peer.endpoint).into_owned(), Style::new()),
    },
    Column {
        name: "via",
        width: Constraint::Fill(3),
        cell: |row, _| (row.peer.via.join(", "), dim()),
    },
    Column {
        name: "key",
        width: Constraint::Length(8),
        cell: |row, _| {
            let key = row.peer.key.as_deref().unwrap_or_default();
            (shown(fingerprint(key)).into_owned(), Style::new())
        },
    },
];

/// The link, with a + if it is encrypted. Within a process nothing is.
fn link(row: &Peer) -> String {
    let link = &row.peer.link;
    match row.peer.key.is_some() && *link != zre::Link::Inproc.to_string() {
        true => format!("{link}+"),
        false => link.clone(),
    }
}

fn columns(width: u16) -> &'static [Column] {
    let fit = match width {
        110.. => COLUMNS.len(),
        95.. => COLUMNS.len() - 1,
        75.. => COLUMNS.len() - 2,
        _ => COLUMNS.len() - 3,
    };
    COLUMNS.get(..fit).unwrap_or(&COLUMNS)
}

fn line(row: &Peer, columns: &[Column], widths: &[u16], now: Instant) -> Row<'static> {
    let cells = columns.iter().zip(widths).map(|(column, width)| {
        let (text, style) = (column.cell)(row, now);
        Cell::from(cut(text, *width)).style(style)
    });
    Row::new(cells).style(worry(row))
}

/// The text, with an ellipsis for what doesn't fit: half an address looks like
/// another one.
fn cut(mut text: String, width: u16) -> String {
    let width = usize::from(width);
    if Line::from(text.as_str()).width() <= width {
        return text;
    }
    while !text.is_empty() && Line::from(text.as_str()).width() >= width {
        text.pop();
    }
    text.push('…');
    text
}

/// The same for a line of several parts.
fn cut_line(mut line: Line<'_>, width: u16) -> Line<'_> {
    let mut left = usize::from(width);
    if line.width() <= left {
        return line;
    }
    for at in 0..line.spans.len() {
        let Some(span) = line.spans.get_mut(at) else {
            break;
        };
        if span.width() >= left {
            // What follows doesn't fit either.
            let text = std::mem::take(&mut span.content).into_owned();
            let room = u16::try_from(left).unwrap_or(u16::MAX);
            span.content = cut(text + " ", room).into();
            line.spans.truncate(at + 1);
            break;
        }
        left -= span.width();
    }
    line
}

fn worry(row: &Peer) -> Style {
    match row.presence {
        Presence::Well => Style::new(),
        Presence::Evasive => coloured(Color::Yellow),
        Presence::Silent => coloured(Color::Red),
    }
}

fn state(state: State) -> Color {
    match state {
        State::Ready => Color::Green,
        State::Busy | State::Draining => Color::Yellow,
        State::Asleep | State::Init => Color::Blue,
        _ => Color::Magenta,
    }
}

/// A time that is easy to read.
fn lasting(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds < 100 => format!("{:.1} s", time.as_secs_f64()),
        seconds => format!("{} min", seconds / 60),
    }
}

fn happenings(frame: &mut Frame<'_>, board: &Board, area: Rect) {
    let most = usize::from(area.height.saturating_sub(2));
    let lines: Vec<Line<'_>> = board
        .lines(most)
        .into_iter()
        .map(|line| {
            let style = match line.weight {
                Weight::Said => bold(),
                Weight::Came => coloured(Color::Green),
                Weight::Went => coloured(Color::Red),
                Weight::Worry => coloured(Color::Yellow),
                Weight::Other => Style::new(),
            };
            let time = format!("{} ", line.time);
            let left = usize::from(area.width).saturating_sub(2 + time.len());
            let text = cut(line.text.clone(), u16::try_from(left).unwrap_or(u16::MAX));
            Line::from(vec![Span::styled(time, dim()), Span::styled(text, style)])
        })
        .collect();
    let block = Block::bordered()
        .title(" what happens (UTC) ")
        .border_style(dim());
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn footer(frame: &mut Frame<'_>, board: &Board, area: Rect) {
    let Some(typing) = &board.typing else {
        let line = match &board.notice {
            None => Line::styled(format!(" {KEYS}"), dim()),
            Some(notice) => {
                let color = if notice.good {
                    Color::Green
                } else {
                    Color::Red
                };
                Line::styled(format!(" {}", notice.text), coloured(color))
            }
        };
        frame.render_widget(cut_line(line, area.width), area);
        return;
    };
    let (label, before, behind) = typed(typing);
    // The cursor stays on the screen: a line that is too long is cut at the left.
    let label = Line::from(Span::styled(label, bold()));
    let room = usize::from(area.width).saturating_sub(label.width() + 1);
    let mut shown_before = before;
    while Line::from(shown_before).width() > room {
        let mut rest = shown_before.chars();
        rest.next();
        shown_before = rest.as_str();
    }
    let at = label.width() + Line::from(shown_before).width();
    let mut spans = label.spans;
    spans.push(Span::raw(shown_before));
    spans.push(Span::raw(behind));
    frame.render_widget(Line::from(spans), area);
    let column = u16::try_from(at).unwrap_or(u16::MAX);
    let x = area.x.saturating_add(column);
    frame.set_cursor_position(Position::new(x, area.y));
}

fn typed(typing: &Typing) -> (String, &str, &str) {
    let label = match &typing.aim {
        Aim::Filter => " show only: ".into(),
        Aim::Whisper { name, .. } => format!(" whisper to {}: ", shown(name)),
        Aim::Shout => " shout to GROUP TEXT: ".into(),
        Aim::Join => " join the group: ".into(),
        Aim::Leave => " leave the group: ".into(),
    };
    let (before, behind) = typing.entry.halves();
    (label, before, behind)
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::board::tests::board;
    use super::*;

    fn screen(board: &mut Board, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, board)).unwrap();
        terminal.backend().to_string()
    }

    #[tokio::test]
    async fn peers_and_what_happens_are_on_it() {
        let mut board = board(&["alice", "bob\u{1b}[2J"]);
        board.choose(1);
        let screen = screen(&mut board, 120, 20);
        for text in [
            "peers: 2",
            "alice",
            r"bob\u{1b}[2J is here",
            "tcp://10.0.0.1:1",
            "multicast",
            "w whisper",
        ] {
            assert!(screen.contains(text), "{text} isn't in\n{screen}");
        }
        assert!(!screen.contains('\u{1b}'));
    }

    #[tokio::test]
    async fn what_does_not_fit_ends_in_an_ellipsis() {
        let mut board = board(&["a peer with a name that is much too long for its column"]);
        board.choose(0);
        let screen = screen(&mut board, 96, 20);
        assert!(screen.contains("a peer"), "{screen}");
        assert!(screen.contains('…'), "{screen}");
        assert_eq!(
            cut("tcp://127.0.0.1:37123".into(), 18),
            "tcp://127.0.0.1:3…"
        );
        assert_eq!(cut("short".into(), 5), "short");
        for (width, shown) in [
            (27, "zre alice tcp://1:37 in lab"),
            (26, "zre alice tcp://1:37 in l…"),
            (20, "zre alice tcp://1:3…"),
            (19, "zre alice tcp://1:…"),
            (4, "zre…"),
        ] {
            let parts = ["zre ", "alice ", "tcp://1:37", " in lab"].map(Span::raw);
            assert_eq!(
                cut_line(Line::from(parts.to_vec()), width).to_string(),
                shown
            );
        }
        assert_eq!(cut("宽宽宽".into(), 4), "宽…");
        assert_eq!(cut("x".into(), 0), "…");
    }

    #[tokio::test]
    async fn no_size_is_too_small_and_no_line_too_long() {
        let mut board = board(&["alice"; 1]);
        board.typing = Some(Typing {
            aim: Aim::Shout,
            entry: super::super::entry::Entry::new(&"ü宽".repeat(200)),
        });
        for (width, height) in [(1, 1), (3, 2), (20, 5), (300, 3)] {
            screen(&mut board, width, height);
        }
    }
}
