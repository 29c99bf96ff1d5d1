"""Makes the helpdesk's tickets and comments as the API sends them, malformed ones among them."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from random import Random

from ingestion.demo import canary, personal
from ingestion.demo.catalogue import title
from ingestion.demo.helpdesk_store import stamp
from ingestion.demo.rows import Customer, Document, Product
from ingestion.demo.templates import (
    AGENT_COMMENTS,
    CUSTOMER_COMMENTS,
    PERSONAL,
    SIGNATURES,
    SPAM,
    TICKETS,
)
from ingestion.demo.words import AGENTS

CITIES = ("Utrecht", "Leeds", "Lyon", "Leipzig", "Boston", "Kraków", "Malmö", "Sevilla")
COLOURS = ("blue", "green", "sand", "charcoal", "red", "ivory")
STATUSES = (
    *("open", "open", "open", "open", "open", "Open", "OPEN"),
    *("pending", "pending", "pending", "Pending"),
    *("solved", "solved", "solved", "solved", "solved", "Solved "),
    *("closed", "closed", "closed", "closed", "CLOSED"),
)
SPAM_STATUSES = ("spam", "spam", "Spam")
PRIORITIES = ("low", "low", "normal", "normal", "normal", "Normal", "high", "HIGH", "urgent")
MALFORMED_EVERY = 997

Times = Callable[[int, Random], Iterator[datetime]]


def tickets(
    count: int, people: list[Customer], things: list[Product], rng: Random, times: Times
) -> Iterator[Document]:
    """Tickets in the order of their creation; the first is the canary's."""
    for key, created in enumerate(times(count, rng), start=1):
        if key == canary.TICKET_ID:
            yield _canary(people[0], created)
        else:
            yield _malformed(ticket(key, rng.choice(people), things, rng, created), key)


def ticket(
    key: int, writer: Customer, things: list[Product], rng: Random, created: datetime
) -> Document:
    """One well-formed ticket; a third of the texts hold personal data of the writer."""
    spam = rng.random() < 0.03
    subject, text = rng.choice(SPAM if spam else TICKETS)
    slots = _slots(things, rng)
    known = not spam and rng.random() > 0.02
    return {
        "id": key,
        "customer_id": writer.id if known else None,
        "requester_name": writer.full_name if known else None,
        "requester_email": writer.email if known else f"offers{key}@example.net",
        "subject": subject.format(**slots),
        "body": with_personal_data(text.format(**slots), writer, rng),
        "status": rng.choice(SPAM_STATUSES if spam else STATUSES),
        "priority": rng.choice(PRIORITIES),
        "created_at": stamp(created),
        "updated_at": stamp(created),
    }


def comments(
    count: int,
    asked: list[Document],
    people: list[Customer],
    things: list[Product],
    rng: Random,
    end: datetime,
) -> Iterator[Document]:
    """Comments on the tickets, each after its ticket was made."""
    writers = {person.id: person for person in people}
    for key in range(1, count + 1):
        subject = rng.choice(asked)
        after = timedelta(seconds=rng.randrange(1, 20 * 86_400))
        created = min(datetime.fromisoformat(str(subject["created_at"])) + after, end)
        writer = writers.get(as_key(subject["customer_id"]))
        yield comment(key, as_key(subject["id"]), writer, things, rng, created)


def comment(
    key: int,
    ticket_id: int,
    writer: Customer | None,
    things: list[Product],
    rng: Random,
    created: datetime,
) -> Document:
    """One comment, by an agent or by the customer if the ticket has one."""
    by_agent = writer is None or rng.random() < 0.55
    template = rng.choice(AGENT_COMMENTS if by_agent else CUSTOMER_COMMENTS)
    text = template.format(**_slots(things, rng))
    if writer is None:
        author = rng.choice(AGENTS)
    elif by_agent:
        author = rng.choice(AGENTS)
        text = (
            f"Hello {' '.join(writer.full_name.split())},\n{text}" if rng.random() < 0.3 else text
        )
    else:
        author = writer.full_name
        text = with_personal_data(text, writer, rng)
    return {
        "id": key,
        "ticket_id": ticket_id,
        "author_name": author,
        "author_role": "agent" if by_agent else "customer",
        "body": text,
        "created_at": stamp(created),
        "updated_at": stamp(created),
    }


def with_personal_data(text: str, writer: Customer, rng: Random) -> str:
    """The text as it is, or in a third of the cases with contact data, payment data or a name."""
    if rng.random() > 0.36:
        return text
    slots = {
        "email": writer.email.strip(),
        "phone": writer.phone or personal.phone(personal.region(rng), rng),
        "card": personal.card(rng),
        "iban": personal.iban(rng),
        "name": " ".join(writer.full_name.split()),
    }
    kind = rng.random()
    if kind < 0.65:
        text = f"{text} {rng.choice(PERSONAL).format(**slots)}"
    if kind > 0.45:
        text = f"{text}\n\n{rng.choice(SIGNATURES).format(**slots)}"
    return text


def _malformed(row: Document, key: int) -> Document:
    """A few rows as a careless client would have written them."""
    match key % MALFORMED_EVERY:
        case 17:
            row["customer_id"] = "n/a"
        case 29:
            del row["subject"]
        case 37:
            row["subject"] = None
        case 41:
            row["priority"] = ["high", "urgent"]
    return row


def _canary(person: Customer, created: datetime) -> Document:
    return {
        "id": canary.TICKET_ID,
        "customer_id": person.id,
        "requester_name": person.full_name,
        "requester_email": person.email,
        "subject": canary.TICKET_SUBJECT,
        "body": canary.TICKET_BODY,
        "status": "open",
        "priority": "high",
        "created_at": stamp(created),
        "updated_at": stamp(created),
    }


def _slots(things: list[Product], rng: Random) -> dict[str, str]:
    thing = rng.choice(things)
    return {
        "product": title(thing.slug),
        "order": str(rng.randrange(10_000, 99_999)),
        "days": str(rng.randrange(2, 30)),
        "amount": f"{thing.price_cents / 100:.2f}",
        "quantity": str(rng.randrange(2, 40)),
        "city": rng.choice(CITIES),
        "colour": rng.choice(COLOURS),
    }


def as_key(value: object) -> int:
    """The value if it is a whole number, else 0, which is the key of nothing."""
    return value if isinstance(value, int) else 0
