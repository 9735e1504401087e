//! From tokens to a tree, with the types of everything checked on the way: a rule that makes no sense is refused before
//! it is asked anything.

use crate::names::{CONTEXT, Names};
use crate::token::{Placed, SyntaxError, Token, error, tokens};
use crate::tree::{Bool, Num, Operation, Question, Relation, Subject, Whole};
use alloc::{boxed::Box, collections::BTreeMap, format, string::String, string::ToString, vec, vec::Vec};

/// Nobody reads a condition that is nested deeper, and the stack of a policy is small.
const DEEPEST: usize = 16;
/// Characters of an expression.
const LONGEST: usize = 4_000;
/// Operations of an expression: each is a frame of the stack where it is worked out.
const MOST_OPERATIONS: usize = 200;

/// What a piece of an expression is.
enum Piece {
    Num(Num),
    Bool(Bool),
    /// A name that is a number or a text, by what it is compared with.
    Name(String),
    Text(String),
    List(Vec<Part>),
}

impl Piece {
    fn kind(&self) -> &'static str {
        match self {
            Piece::Num(_) | Piece::Name(_) => "a number",
            Piece::Bool(_) => "a condition",
            Piece::Text(_) => "a text",
            Piece::List(_) => "a list",
        }
    }
}

/// A piece with the bytes that it stands on.
struct Part {
    piece: Piece,
    start: usize,
    end: usize,
}

type Parsed<T> = Result<T, SyntaxError>;

/// Reads a condition.
pub(crate) fn condition(text: &str, params: &BTreeMap<String, f64>, names: &mut Names) -> Parsed<Bool> {
    let mut parser = Parser::new(text, params, names)?;
    let part = parser.whole()?;
    parser.bool(part)
}

/// Reads a number.
pub(crate) fn number(text: &str, params: &BTreeMap<String, f64>, names: &mut Names) -> Parsed<Num> {
    let mut parser = Parser::new(text, params, names)?;
    let part = parser.whole()?;
    parser.num(part)
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Placed>,
    at: usize,
    depth: usize,
    operations: usize,
    params: &'a BTreeMap<String, f64>,
    names: &'a mut Names,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, params: &'a BTreeMap<String, f64>, names: &'a mut Names) -> Parsed<Self> {
        if text.chars().count() > LONGEST {
            return Err(error(text, 0, format!("it is longer than {LONGEST} characters"), "make several rules of it"));
        }
        Ok(Parser { text, tokens: tokens(text)?, at: 0, depth: 0, operations: 0, params, names })
    }

    fn wrong<T>(&self, at: usize, message: String, hint: &str) -> Parsed<T> {
        Err(error(self.text, at, message, hint))
    }

    fn peek(&self) -> &Placed {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn next(&mut self) -> Placed {
        let placed = self.peek().clone();
        self.at += 1;
        placed
    }

    /// Takes a sign if it stands here.
    fn takes(&mut self, sign: &str) -> bool {
        let is_here = matches!(&self.peek().token, Token::Sign(here) if *here == sign);
        self.at += usize::from(is_here);
        is_here
    }

    fn expect(&mut self, sign: &str, opened: usize) -> Parsed<usize> {
        let here = self.peek().clone();
        if self.takes(sign) {
            return Ok(here.end);
        }
        let opened = self.text[..opened].chars().count() + 1;
        self.wrong(here.start, format!("{sign} is missing"), &format!("it closes what begins at character {opened}"))
    }

    fn whole(&mut self) -> Parsed<Part> {
        let part = self.choice()?;
        match self.peek().clone() {
            Placed { token: Token::End, .. } => Ok(part),
            Placed { token, start, .. } => {
                let hint = match &token {
                    Token::Name(name) if matches!(name.as_str(), "and" | "AND") => "write && for and",
                    Token::Name(name) if matches!(name.as_str(), "or" | "OR") => "write || for or",
                    _ => "join conditions with && or ||",
                };
                self.wrong(start, "the expression is over before this".into(), hint)
            }
        }
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > DEEPEST {
            let at = self.peek().start;
            return self.wrong(at, format!("it is nested deeper than {DEEPEST}"), "make several rules of it");
        }
        let done = inner(self);
        self.depth -= 1;
        done
    }

    /// Counts an operation that begins here.
    fn operation(&mut self, at: usize) -> Parsed<()> {
        self.operations += 1;
        if self.operations > MOST_OPERATIONS {
            let message = format!("it has more than {MOST_OPERATIONS} operations");
            return self.wrong(at, message, "make several rules of it");
        }
        Ok(())
    }

    /// condition ? number : number
    fn choice(&mut self) -> Parsed<Part> {
        self.deeper(|parser| {
            let first = parser.any()?;
            if !parser.takes("?") {
                return Ok(first);
            }
            let (start, opened) = (first.start, first.end);
            let condition = parser.bool(first)?;
            let then = parser.choice()?;
            parser.expect(":", opened)?;
            let other = parser.choice()?;
            let end = other.end;
            let piece = match (&then.piece, &other.piece) {
                (Piece::Bool(_), _) | (_, Piece::Bool(_)) => {
                    let (then, other) = (parser.bool(then)?, parser.bool(other)?);
                    Piece::Bool(Bool::If(Box::new(condition), Box::new(then), Box::new(other)))
                }
                _ => {
                    let (then, other) = (parser.num(then)?, parser.num(other)?);
                    Piece::Num(Num::If(Box::new(condition), Box::new(then), Box::new(other)))
                }
            };
            Ok(Part { piece, start, end })
        })
    }

    fn any(&mut self) -> Parsed<Part> {
        self.joined("||", Self::all, Bool::Any)
    }

    fn all(&mut self) -> Parsed<Part> {
        self.joined("&&", Self::relation, Bool::All)
    }

    fn joined(
        &mut self,
        sign: &str,
        inner: fn(&mut Self) -> Parsed<Part>,
        join: fn(Vec<Bool>) -> Bool,
    ) -> Parsed<Part> {
        let first = inner(self)?;
        if !matches!(&self.peek().token, Token::Sign(here) if *here == sign) {
            return Ok(first);
        }
        let start = first.start;
        let mut end = first.end;
        let mut parts = vec![self.bool(first)?];
        while self.takes(sign) {
            let part = inner(self)?;
            end = part.end;
            parts.push(self.bool(part)?);
        }
        Ok(Part { piece: Piece::Bool(join(parts)), start, end })
    }

    fn relation(&mut self) -> Parsed<Part> {
        let left = self.sum()?;
        let sign = self.peek().clone();
        let relation = match &sign.token {
            Token::Sign("<") => Relation::Below,
            Token::Sign("<=") => Relation::AtMost,
            Token::Sign(">=") => Relation::AtLeast,
            Token::Sign(">") => Relation::Above,
            Token::Sign("==") => Relation::Equal,
            Token::Sign("!=") => Relation::Unequal,
            Token::Name(name) if name == "in" => return self.one_of(left),
            _ => return Ok(left),
        };
        self.at += 1;
        let right = self.sum()?;
        if matches!(&self.peek().token, Token::Sign("<" | "<=" | ">" | ">=" | "==" | "!=")) {
            let at = self.peek().start;
            return self.wrong(at, "a comparison has two sides".into(), "write a < b && b < c");
        }
        let (start, end) = (left.start, right.end);
        let piece = match (left.piece, right.piece) {
            (Piece::Name(name), Piece::Text(word)) | (Piece::Text(word), Piece::Name(name)) => {
                let wanted = match relation {
                    Relation::Equal => true,
                    Relation::Unequal => false,
                    _ => return self.wrong(sign.start, "texts have no order".into(), "compare them with == or !="),
                };
                self.asks(&name, Question::IsOneOf(vec![word]), wanted, start, end)
            }
            (left_piece, right_piece) => {
                let left = Part { piece: left_piece, start, end: sign.start };
                let right = Part { piece: right_piece, start: sign.end, end };
                self.compared(left, relation, right)?
            }
        };
        Ok(Part { piece: Piece::Bool(piece), start, end })
    }

    /// A comparison of numbers, said of the side that is worth naming.
    fn compared(&mut self, left: Part, relation: Relation, right: Part) -> Parsed<Bool> {
        let spans = [(left.start, left.end), (right.start, right.end)];
        let (left, right) = (self.num(left)?, self.num(right)?);
        let plain = |num: &Num| matches!(num, Num::Column(_));
        let constant = |num: &Num| matches!(num, Num::Const(_) | Num::Context(_));
        let swap = (constant(&left) && !constant(&right)) || (!plain(&left) && plain(&right) && !constant(&right));
        let (left, relation, right, [(start, end), other]) = match swap {
            true => (right, relation.mirrored(), left, [spans[1], spans[0]]),
            false => (left, relation, right, spans),
        };
        let subject = self.subject(&left, start, end);
        let known = self.knows(&right, other);
        Ok(Bool::Compare { subject, left, relation, right, known })
    }

    /// What is said of the right side of a comparison where it is not known, if that can be.
    fn knows(&mut self, right: &Num, (start, end): (usize, usize)) -> Option<Subject> {
        (!matches!(right, Num::Const(_))).then(|| {
            let text = format!("known({})", self.text[start..end].trim());
            Subject::Derived(self.names.derived(&text))
        })
    }

    fn subject(&mut self, num: &Num, start: usize, end: usize) -> Subject {
        match num {
            Num::Column(position) => Subject::Column(*position),
            Num::Context(position) => Subject::Context(*position),
            _ => Subject::Derived(self.names.derived(self.text[start..end].trim())),
        }
    }

    fn asks(&mut self, name: &str, question: Question, wanted: bool, start: usize, end: usize) -> Bool {
        let subject = Subject::Derived(self.names.derived(self.text[start..end].trim()));
        Bool::Asks { subject, column: self.names.text(name), question, wanted }
    }

    /// name in [1, 2] or name in ["a", "b"]
    fn one_of(&mut self, left: Part) -> Parsed<Part> {
        self.at += 1;
        let list = self.sum()?;
        let (start, end) = (left.start, list.end);
        let Piece::List(items) = list.piece else {
            return self.wrong(list.start, "`in` asks a list".into(), "write name in [\"A\", \"B\"]");
        };
        if let (Piece::Name(name), Some(Piece::Text(_))) = (&left.piece, items.first().map(|item| &item.piece)) {
            let mut words = Vec::new();
            for Part { piece, start: at, .. } in items {
                let Piece::Text(word) = piece else {
                    return self.wrong(at, format!("{} stands among texts", piece.kind()), "");
                };
                words.push(word);
            }
            let piece = self.asks(name, Question::IsOneOf(words), true, start, end);
            return Ok(Part { piece: Piece::Bool(piece), start, end });
        }
        let span = (left.start, left.end);
        let left = self.num(left)?;
        let subject = self.subject(&left, span.0, span.1);
        let mut any = Vec::new();
        for item in items {
            self.operation(item.start)?;
            let span = (item.start, item.end);
            let right = self.num(item)?;
            let known = self.knows(&right, span);
            any.push(Bool::Compare { subject, left: left.clone(), relation: Relation::Equal, right, known });
        }
        Ok(Part { piece: Piece::Bool(Bool::Any(any)), start, end })
    }

    fn sum(&mut self) -> Parsed<Part> {
        let signs = [("+", Operation::Add), ("-", Operation::Subtract)];
        self.operations(&signs, Self::product)
    }

    fn product(&mut self) -> Parsed<Part> {
        let signs = [("*", Operation::Multiply), ("/", Operation::Divide), ("%", Operation::Remainder)];
        self.operations(&signs, Self::unary)
    }

    fn operations(&mut self, signs: &[(&str, Operation)], inner: fn(&mut Self) -> Parsed<Part>) -> Parsed<Part> {
        let mut left = inner(self)?;
        while let Some((_, operation)) = signs.iter().find(|(sign, _)| self.takes(sign)) {
            let right = inner(self)?;
            let (start, end) = (left.start, right.end);
            self.operation(start)?;
            let (a, b) = (self.num(left)?, self.num(right)?);
            left = Part { piece: Piece::Num(Num::Of(*operation, Box::new(a), Box::new(b))), start, end };
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed<Part> {
        let start = self.peek().start;
        if self.takes("!") {
            let part = self.deeper(Self::unary)?;
            let end = part.end;
            let piece = Piece::Bool(self.bool(part)?.negated());
            return Ok(Part { piece, start, end });
        }
        if self.takes("-") {
            let part = self.deeper(Self::unary)?;
            let end = part.end;
            let piece = match self.num(part)? {
                Num::Const(value) => Num::Const(-value),
                other => Num::Of(Operation::Subtract, Box::new(Num::Const(0.0)), Box::new(other)),
            };
            return Ok(Part { piece: Piece::Num(piece), start, end });
        }
        self.primary()
    }

    fn primary(&mut self) -> Parsed<Part> {
        let Placed { token, start, end } = self.next();
        let piece = match token {
            Token::Number(value) => Piece::Num(Num::Const(value)),
            Token::Text(text) => Piece::Text(text),
            Token::Sign("(") => {
                let inner = self.choice()?;
                let end = self.expect(")", start)?;
                return Ok(Part { start, end, ..inner });
            }
            Token::Sign("[") => return self.list(start),
            Token::Name(name) => return self.named(name, start, end),
            Token::End => {
                return self.wrong(start, "something is missing here".into(), "the expression ends too early");
            }
            Token::Sign(sign) => return self.wrong(start, format!("{sign} stands where a value is meant"), ""),
        };
        Ok(Part { piece, start, end })
    }

    fn list(&mut self, start: usize) -> Parsed<Part> {
        let mut items = Vec::new();
        while !matches!(&self.peek().token, Token::Sign("]")) {
            let item = self.deeper(Self::sum)?;
            items.push(item);
            if !self.takes(",") {
                break;
            }
        }
        let end = self.expect("]", start)?;
        if items.is_empty() {
            return self.wrong(start, "nothing is in this list".into(), "");
        }
        Ok(Part { piece: Piece::List(items), start, end })
    }

    /// A name, dotted or not; a call; a question to a text.
    fn named(&mut self, first: String, start: usize, mut end: usize) -> Parsed<Part> {
        let mut name = first;
        if matches!(name.as_str(), "true" | "false") {
            let subject = Subject::Derived(self.names.derived(&name));
            let piece = Piece::Bool(Bool::Const { subject, value: name == "true" });
            return Ok(Part { piece, start, end });
        }
        while self.takes(".") {
            let Placed { token, start: at, end: after } = self.next();
            let Token::Name(part) = token else {
                return self.wrong(at, "a name is meant after the dot".into(), "");
            };
            if matches!(&self.peek().token, Token::Sign("(")) {
                return self.question(name, &part, start, at);
            }
            name = format!("{name}.{part}");
            end = after;
        }
        if matches!(&self.peek().token, Token::Sign("(")) {
            return self.call(&name, start);
        }
        if let Some(param) = name.strip_prefix("params.") {
            return match self.params.get(param) {
                Some(value) => {
                    self.names.uses(param);
                    Ok(Part { piece: Piece::Num(Num::Const(*value)), start, end })
                }
                None => {
                    let known: Vec<&str> = self.params.keys().map(String::as_str).collect();
                    let hint = if known.is_empty() {
                        format!("set it: params.{param} = 1.0")
                    } else {
                        format!("there are {}", known.join(", "))
                    };
                    self.wrong(start, format!("params.{param} is not set"), &hint)
                }
            };
        }
        Ok(Part { piece: Piece::Name(name), start, end })
    }

    /// name.contains("…"), name.startsWith("…"), name.endsWith("…")
    fn question(&mut self, name: String, asked: &str, start: usize, at: usize) -> Parsed<Part> {
        let make: fn(String) -> Question = match asked {
            "contains" => Question::Contains,
            "startsWith" => Question::StartsWith,
            "endsWith" => Question::EndsWith,
            _ => {
                let hint = "a text can be asked contains, startsWith and endsWith";
                return self.wrong(at, format!("{asked} is no question to a text"), hint);
            }
        };
        let opened = self.next().start;
        let Placed { token, start: inside, .. } = self.next();
        let Token::Text(word) = token else {
            return self.wrong(inside, "a text in quotes is meant here".into(), "");
        };
        let end = self.expect(")", opened)?;
        let piece = Piece::Bool(self.asks(&name, make(word), true, start, end));
        Ok(Part { piece, start, end })
    }

    fn call(&mut self, name: &str, start: usize) -> Parsed<Part> {
        let opened = self.next().start;
        let mut arguments = Vec::new();
        while !matches!(&self.peek().token, Token::Sign(")")) {
            arguments.push(self.choice()?);
            if !self.takes(",") {
                break;
            }
        }
        let end = self.expect(")", opened)?;
        for argument in &arguments {
            self.operation(argument.start)?;
        }
        let mut nums = Vec::new();
        let spans: Vec<(usize, usize)> = arguments.iter().map(|part| (part.start, part.end)).collect();
        for argument in arguments {
            nums.push(self.num(argument)?);
        }
        let whole = match name {
            "rank" => Some(Whole::Rank),
            "rank_lowest" => Some(Whole::RankLowest),
            "quantile" => Some(Whole::Quantile),
            "mean" => Some(Whole::Mean),
            "sum" => Some(Whole::Sum),
            "count" => Some(Whole::Count),
            _ => None,
        };
        let piece = match (name, whole, nums.len()) {
            (_, Some(whole), 1) => Piece::Num(Num::Cohort(whole, Box::new(nums.remove(0)))),
            ("known", _, 1) => {
                let of = nums.remove(0);
                let subject = Subject::Derived(self.names.derived(self.text[start..end].trim()));
                Piece::Bool(Bool::Known { subject, of, wanted: true })
            }
            ("abs", _, 1) => {
                let (a, zero) = (Box::new(nums.remove(0)), Box::new(Num::Const(0.0)));
                Piece::Num(Num::Of(Operation::Distance, a, zero))
            }
            ("least" | "greatest", _, 2..) => {
                let operation = if name == "least" { Operation::Least } else { Operation::Greatest };
                let joined = nums.into_iter().reduce(|a, b| Num::Of(operation, Box::new(a), Box::new(b)));
                Piece::Num(joined.unwrap_or(Num::Const(0.0)))
            }
            (_, Some(_), _) | ("known" | "abs", ..) => {
                let at = spans.get(1).map_or(start, |(at, _)| *at);
                return self.wrong(at, format!("{name} is asked of one number"), "");
            }
            ("least" | "greatest", ..) => {
                return self.wrong(start, format!("{name} is asked of two numbers or more"), "");
            }
            _ => {
                let hint = "there are known, rank, rank_lowest, quantile, mean, sum, count, least, greatest and abs";
                return self.wrong(start, format!("there is no function {name}"), hint);
            }
        };
        Ok(Part { piece, start, end })
    }

    fn bool(&mut self, part: Part) -> Parsed<Bool> {
        match part.piece {
            Piece::Bool(condition) => Ok(condition),
            other => {
                let message = format!("{} stands where a condition is meant", other.kind());
                self.wrong(part.start, message, "compare it: spend_7d > 100")
            }
        }
    }

    fn num(&mut self, part: Part) -> Parsed<Num> {
        match part.piece {
            Piece::Num(number) => Ok(number),
            Piece::Name(name) if CONTEXT.contains(&name.as_str()) => Ok(Num::Context(self.names.context(&name))),
            Piece::Name(name) => Ok(Num::Column(self.names.column(&name))),
            other => {
                let message = format!("{} stands where a number is meant", other.kind());
                let hint = match other {
                    Piece::Text(text) if text.parse::<f64>().is_ok() => "write numbers without quotes".to_string(),
                    _ => String::new(),
                };
                self.wrong(part.start, message, &hint)
            }
        }
    }
}
