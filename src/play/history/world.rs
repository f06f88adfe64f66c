//! The business whose messages are invented: the countries that it writes to, and its templates.
//!
//! The numbers are no person's. After the code of the country, or of a city, each goes on with a 0,
//! as no number there does. In the United States each has the area code 555, which is not assigned.

/// A country that is written to.
#[derive(Debug)]
pub(super) struct Country {
    /// What its numbers begin with; seven digits follow.
    pub(super) prefix: &'static str,
    /// How far its clocks are ahead of UTC, in minutes.
    pub(super) ahead_min: i64,
    /// The language of its people.
    pub(super) language: &'static str,
    /// How much of all is written to it.
    pub(super) weight: u64,
}

/// A template of the business.
#[derive(Debug)]
pub(crate) struct HistoryTemplate {
    /// Its name.
    pub(crate) name: &'static str,
    /// The code of its language.
    pub(crate) language: &'static str,
    /// What it is billed as.
    pub(crate) category: &'static str,
    /// Whether broadcasts are made of it.
    pub(super) is_bulk: bool,
    /// Its text.
    pub(crate) body: &'static str,
}

const fn country(
    prefix: &'static str,
    ahead_min: i64,
    language: &'static str,
    weight: u64,
) -> Country {
    Country {
        prefix,
        ahead_min,
        language,
        weight,
    }
}

/// How many countries there are.
pub(super) const COUNTRY_COUNT: usize = 12;

/// Spain, Mexico, Colombia, Argentina, Great Britain, India, the United States, Portugal, Brazil,
/// Germany, Austria, Switzerland.
pub(super) static COUNTRIES: [Country; COUNTRY_COUNT] = [
    country("3400", 60, "es", 240),
    country("52550", -360, "es", 110),
    country("57000", -300, "es", 60),
    country("549110", -180, "es", 50),
    country("44000", 0, "en", 120),
    country("91000", 330, "en", 110),
    country("1555", -300, "en", 50),
    country("35100", 0, "pt", 40),
    country("550000", -180, "pt", 90),
    country("490000", 60, "de", 90),
    country("43000", 60, "de", 25),
    country("4100", 60, "de", 15),
];

/// Eight templates of three categories in four languages.
pub(crate) static TEMPLATES: [HistoryTemplate; 8] = [
    HistoryTemplate {
        name: "order_update",
        language: "es",
        category: "utility",
        is_bulk: false,
        body: "Hola {{1}}: tu pedido {{2}} ha salido del almacén.",
    },
    HistoryTemplate {
        name: "order_update",
        language: "pt",
        category: "utility",
        is_bulk: false,
        body: "Olá {{1}}, o seu pedido {{2}} saiu do armazém.",
    },
    HistoryTemplate {
        name: "delivery_window",
        language: "en",
        category: "utility",
        is_bulk: false,
        body: "Hello {{1}}, your order {{2}} arrives tomorrow morning.",
    },
    HistoryTemplate {
        name: "appointment_reminder",
        language: "de",
        category: "utility",
        is_bulk: false,
        body: "Guten Tag {{1}}, wir erinnern an den Termin {{2}}.",
    },
    HistoryTemplate {
        name: "spring_sale",
        language: "es",
        category: "marketing",
        is_bulk: true,
        body: "{{1}}, las rebajas de primavera empiezan hoy. Tu código: {{2}}.",
    },
    HistoryTemplate {
        name: "new_collection",
        language: "en",
        category: "marketing",
        is_bulk: true,
        body: "{{1}}, the new collection is here. Your code: {{2}}.",
    },
    HistoryTemplate {
        name: "feedback_request",
        language: "de",
        category: "marketing",
        is_bulk: true,
        body: "{{1}}, wie zufrieden sind Sie mit {{2}}?",
    },
    HistoryTemplate {
        name: "login_code",
        language: "en",
        category: "authentication",
        is_bulk: false,
        body: "{{1}}, your code is {{2}}.",
    },
];

/// The place of the template that is paused for some hours.
pub(super) const PAUSED: usize = 4;
/// The place of the template of which a wrong version is sent for some hours.
pub(super) const WRONG: usize = 6;

/// Names that stand in texts.
pub(super) const FIRST_NAMES: [&str; 8] =
    ["Ana", "Luis", "Mia", "João", "Priya", "Tom", "Eva", "Noor"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_one_that_a_person_can_have() {
        // The codes of the countries, of Mexico and Argentina with those of their capitals.
        let codes: [&str; COUNTRY_COUNT] = [
            "34", "5255", "57", "54911", "44", "91", "1", "351", "55", "49", "43", "41",
        ];
        for (country, code) in COUNTRIES.iter().zip(codes) {
            let rest = country.prefix.strip_prefix(code);
            let rest = rest.unwrap_or_else(|| panic!("{} is not of {code}", country.prefix));
            let is_unassigned = rest.starts_with('0') || (code == "1" && rest == "555");
            assert!(is_unassigned, "{}", country.prefix);
        }
    }
}
