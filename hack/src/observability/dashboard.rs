//! The Grafana dashboard: what a panel is, and the JSON that Grafana imports. The panels themselves are in `panels`.

mod panels;

use serde_json::{Value, json};

pub use self::panels::ROWS;

/// A row of panels with a title.
#[derive(Debug)]
pub struct Row {
    /// What its panels are about.
    pub title: &'static str,
    /// From left to right.
    pub panels: &'static [Panel],
}

/// A question and its answer over time.
#[derive(Debug)]
pub struct Panel {
    /// A few words.
    pub title: &'static str,
    /// What it tells, and what is good.
    pub description: &'static str,
    /// Grafana's name of the unit.
    pub unit: &'static str,
    /// How it is drawn.
    pub shape: Shape,
    /// Expressions, each with the legend of its series.
    pub queries: &'static [(&'static str, &'static str)],
}

/// How a panel is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The last value, large.
    Stat,
    /// Lines over time.
    Lines,
}

/// Columns of Grafana's grid.
const COLUMNS: usize = 24;
/// What the variables of the dashboard stand for when a test or a reader evaluates a query by hand.
pub const VARIABLES: [(&str, &str); 4] =
    [("$gateway", ".*"), ("$namespace", ".*"), ("$service", ".*"), ("$__rate_interval", "1m")];

/// The expressions of every panel, with values in place of the dashboard's variables.
pub fn queries() -> impl Iterator<Item = (&'static str, String)> {
    let panels = ROWS.iter().flat_map(|row| row.panels);
    panels.flat_map(|panel| panel.queries.iter().map(|(expr, _)| (panel.title, concrete(expr))))
}

fn concrete(expr: &str) -> String {
    VARIABLES.iter().fold(expr.to_owned(), |expr, (name, value)| expr.replace(name, value))
}

/// What Grafana imports.
#[must_use]
pub fn json() -> Value {
    json!({
        "uid": "rebound-dataplane",
        "title": "Rebound data planes",
        "tags": ["rebound"],
        "schemaVersion": 39,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": { "from": "now-1h", "to": "now" },
        "templating": { "list": [source(), variable("gateway", "gateway_config_generation"),
            variable("namespace", "gateway_attempts_total"), variable("service", "gateway_attempts_total")] },
        "panels": panels(),
    })
}

fn source() -> Value {
    json!({ "name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus" })
}

/// The values of a label; everything unless somebody chooses.
fn variable(label: &str, metric: &str) -> Value {
    json!({
        "name": label,
        "type": "query",
        "datasource": { "type": "prometheus", "uid": "${datasource}" },
        "query": { "query": format!("label_values({metric}, {label})"), "refId": label },
        "refresh": 2,
        "includeAll": true,
        "multi": true,
        "allValue": ".*",
        "current": { "text": "All", "value": "$__all" },
    })
}

fn panels() -> Vec<Value> {
    let mut panels = Vec::new();
    let mut top = 0;
    for row in &ROWS {
        let place = json!({ "x": 0, "y": top, "w": COLUMNS, "h": 1 });
        panels.push(json!({ "id": panels.len() + 1, "type": "row", "title": row.title, "collapsed": false, "gridPos": place, "panels": [] }));
        top += 1;
        for line in row.panels.chunks(row.panels[0].shape.in_a_line()) {
            for (at, panel) in line.iter().enumerate() {
                let (width, height) = (COLUMNS / panel.shape.in_a_line(), panel.shape.height());
                let place = json!({ "x": at * width, "y": top, "w": width, "h": height });
                panels.push(panel.json(panels.len() + 1, &place));
            }
            top += line[0].shape.height();
        }
    }
    panels
}

impl Shape {
    fn in_a_line(self) -> usize {
        match self {
            Self::Stat => 6,
            Self::Lines => 2,
        }
    }

    fn height(self) -> usize {
        match self {
            Self::Stat => 4,
            Self::Lines => 8,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Stat => "stat",
            Self::Lines => "timeseries",
        }
    }
}

impl Panel {
    fn json(&self, id: usize, place: &Value) -> Value {
        let source = json!({ "type": "prometheus", "uid": "${datasource}" });
        let targets = self.queries.iter().zip('A'..).map(|((expr, legend), id)| {
            json!({
                "refId": id.to_string(),
                "datasource": source,
                "expr": expr,
                "legendFormat": legend,
                "exemplar": expr.contains("_bucket") && self.unit == "s",
            })
        });
        json!({
            "id": id,
            "type": self.shape.name(),
            "title": self.title,
            "description": self.description,
            "datasource": source,
            "gridPos": place,
            "fieldConfig": { "defaults": { "unit": self.unit, "min": 0 }, "overrides": [] },
            "targets": targets.collect::<Vec<_>>(),
        })
    }
}
