"""Statements that try to take all memory, time or disk; most of them would not pass the gate."""

_ALL = "agent_orders a, agent_orders b, agent_orders c"
_NOTES = "agent_notes a, agent_notes b, agent_notes c"
_LONG = "repeat('abcdefghij', 200000)"


def _doubled(first: str, join: str, times: int, shown: str = "count(*)") -> str:
    """Common table expressions of which each makes twice of the one before."""
    steps = [f"s0 as ({first})"]
    steps += [f"s{n} as ({join.format(before=f's{n - 1}')})" for n in range(1, times + 1)]
    return f"with {', '.join(steps)} select {shown} from s{times}"


def _nested(begin: str, end: str, middle: str, times: int) -> str:
    return begin * times + middle + end * times


MEMORY = [
    "select unnest(range(1000000000))",
    "select len(range(4000000000))",
    "select unnest(generate_series(1, 100000000, 1)) x order by x desc",
    "select max(length(repeat(body, 100000000))) from agent_notes",
    "select max(length(repeat(body, 10000))) from agent_notes",
    "select length(lpad('x', 2147483647, 'y')) + length(rpad('x', 2147483647, 'y'))",
    "select max(length(rpad(body, 20000000, 'z'))) from agent_notes",
    "select length(printf('%1000000000d', 1))",
    "select length(format('{:>1000000000}', 1))",
    "select length(bitstring('1', 1000000000))",
    "select len(list_resize([1], 1000000000, 7))",
    "select len(repeat([1, 2, 3], 300000000))",
    "select length(" + "replace(" * 7 + f"'{'a' * 20}'" + f", 'a', '{'a' * 20}')" * 7 + ")",
    "select max(length(regexp_replace(body, '', repeat(' ', 10000), 'g'))) from agent_notes",
    "select len(string_split(repeat('a,', 50000000), ','))",
    "select len(regexp_extract_all(repeat('ab', 50000000), 'a'))",
    "select len(regexp_split_to_array(repeat('ab', 50000000), 'b'))",
    "select length(hex(repeat('x', 300000000)))",
    "select length(to_base64(repeat('x', 300000000)::blob))",
    "select length(url_encode(repeat('%', 200000000)))",
    f"select string_agg(a.body, '') from {_NOTES}",
    f"select string_agg(a.body, '' order by b.body) from {_NOTES}",
    f"select list(a.body) from {_NOTES}",
    f"select list({{'a': a.body, 'b': b.body}}) from {_NOTES}",
    f"select json_group_array(a.body) from {_NOTES}",
    f"select json_group_object(a.id || '-' || b.id, a.body) from {_NOTES}",
    f"select histogram(random()) from {_ALL}",
    f"select count(distinct md5(a.id || '-' || b.id)) from {_ALL}",
    f"select md5(a.id || '-' || b.id) as k, count(*) from {_ALL} group by 1 order by 2",
    f"select distinct a.id, b.id, c.body from agent_orders a, agent_orders b, {'agent_notes c'}",
    f"select median(a.id * b.id), mode(a.id * c.id) from {_ALL}",
    f"select quantile_disc(a.amount * b.amount, 0.5) from {_ALL}",
    "select a.id from agent_orders a, agent_orders b order by a.amount * b.amount limit 5000000",
    "select a.body from agent_notes a, agent_notes b, agent_orders c order by c.amount, a.body",
    f"select row_number() over (order by a.amount + b.amount) from {_ALL}",
    f"select list(a.id) over (order by b.id) from {_ALL}",
    "select max(list_sort(range(100000))) from agent_orders",
    "select list_transform(range(100000), x -> list_transform(range(100000), y -> x * y))",
    "select flatten(list_transform(range(100000), x -> range(10000)))",
    "select list_zip(range(50000000), range(50000000), range(50000000))",
    "select list_aggregate(range(200000000), 'histogram')",
    "select map_from_entries(list_transform(range(50000000), x -> (x, x::varchar)))",
    "select list_reduce(range(100000), (a, b) -> a + list_sum(range(b)))",
    "with recursive r(s) as (select 'x' union all select s || s from r) select max(strlen(s)) "
    "from r",
    "with recursive r(l) as (select [1] union all select l || l from r) select max(len(l)) from r",
    _doubled(
        "select repeat('x', 100000) as s",
        "select s || s || s as s from {before}",
        12,
        "max(length(s))",
    ),
    _doubled(
        "select range(10000) as l", "select l || l || l as l from {before}", 12, "max(len(l))"
    ),
    "create temp table t as select a.id, b.body from agent_orders a, agent_notes b, agent_notes c",
    "create table t as select range(1000000) as l from agent_orders",
]
TIME = [
    f"select count(*) from {_ALL}",
    f"select count(*) from {_ALL} where (a.id * b.id) % 7 = c.id % 5",
    f"select count(*) from {_ALL} where sqrt(a.id) + sqrt(b.id) > c.id",
    f"select max(a.amount - b.amount + c.amount) from {_ALL} where a.id <> b.id",
    f"select bit_xor(hash(a.id, b.id, c.id)) from {_ALL}",
    f"select sum(sin(a.id) * cos(b.id) + ln(c.id + 1)) from {_ALL}",
    f"select max(sha256(a.id || b.channel || c.id)) from {_ALL}",
    "with recursive r(i) as (select 1 union all select i + 1 from r) select max(i) from r",
    "with recursive r(i) as (select 1 union select i + 1 from r) select count(*) from r",
    "with recursive r as (select id from agent_orders union all select r.id from r, "
    "agent_customers) select count(*) from r",
    "select count(*) from range(1000000000000)",
    "select sum(i) from generate_series(1, 1000000 * 1000000) t(i)",
    "select count(*) from generate_series(timestamp '1900-01-01', timestamp '2100-01-01', "
    "interval 1 microsecond)",
    "select count(*) from range(1000000) a, range(1000000) b, range(1000000) c",
    "select max(levenshtein(repeat(a.body, 50), repeat(b.body, 51))) from agent_notes a, "
    "agent_notes b",
    f"select levenshtein({_LONG}, reverse({_LONG}))",
    f"select damerau_levenshtein({_LONG}, reverse({_LONG}))",
    f"select jaro_winkler_similarity({_LONG}, reverse({_LONG}))",
    f"select jaccard({_LONG}, {_LONG}) + hamming({_LONG}, {_LONG}) from agent_orders",
    "select regexp_matches(repeat('a', 1000000), '(a{0,30}){0,30}b') from agent_orders",
    "select max(regexp_extract(id || repeat('ab', 1000000), '(.*)(.*)(.*)c')) from agent_orders",
    f"select count(*) from agent_orders a, agent_orders b where a.id || {_LONG} like '%a%k%b%'",
    f"select count(*) from agent_orders where id || {_LONG} similar to '(.*a.*b.*)+z'",
    f"select max(strip_accents(id || {_LONG} || nfc_normalize({_LONG}))) from agent_orders",
    f"select count(sha256({_LONG} || a.id)) from agent_orders a, agent_orders b",
    "select list_filter(range(10000), x -> len(list_filter(range(10000), y -> y > x)) > 0)",
    "select list_sort(list_transform(range(5000000), x -> md5(x::varchar)))",
    "select list_distinct(list_transform(range(5000000), x -> md5(x::varchar)))",
    "select (select count(*) from agent_orders b, agent_orders c where b.id + c.id > a.id) "
    "from agent_orders a",
    "select count(*) from agent_orders a join agent_orders b on a.amount * b.amount > b.id * 1.5 "
    "join agent_orders c on a.amount + b.amount <> c.amount",
    "select sum(x) from (select mode(a.amount) over (order by a.id rows between 10000 preceding "
    "and 10000 following) x from agent_orders a, range(50))",
    "select max(x) from (select quantile_cont(a.amount, 0.3) over (order by a.id range between "
    "unbounded preceding and current row exclude current row) x from agent_orders a, range(50))",
    "select max(x) from (select string_agg(distinct body, '') over (order by id) x "
    "from agent_notes, range(100))",
    "select sum(factorial((id % 30)::int)::double) from agent_orders, range(10000000)",
    "select max(md5(md5(md5(md5(a.body || b.body))))) from agent_notes a, agent_notes b, range(99)",
    "summarize select a.*, b.* from agent_orders a, agent_orders b",
]
PLAN = [
    "select count(*) from " + ", ".join(f"agent_customers t{n}" for n in range(200)),
    "select count(*) from agent_customers t0 "
    + " ".join(f"left join agent_customers t{n} on t{n}.id = t{n - 1}.id" for n in range(1, 150)),
    "select count(*) from agent_orders where " + " or ".join(f"id = {n}" for n in range(60_000)),
    "select count(*) from agent_orders where id in (" + ", ".join(map(str, range(300_000))) + ")",
    _doubled("from agent_orders", "select x.id from {before} x, {before} y", 30),
    _doubled("from agent_orders", "select * from {before} union all select * from {before}", 22),
    "select " + ", ".join(f"id + {n}" for n in range(60_000)) + " from agent_orders",
    "select " + _nested("(select max(x) from (select ", " as x))", "1", 400),
    "select " + _nested("(", ")", "1", 100_000),
    "select " + _nested("abs(", ")", "1", 240) + " from agent_orders",
    "select " + "1 + " * 100_000 + "1",
    "select " + _nested("case when true then ", " end", "1", 5_000),
    "select " + _nested("[", "]", "1", 5_000),
    "select count(*) from agent_orders group by cube ("
    + ", ".join(f"(id % {n})" for n in range(2, 20))
    + ")",
    "select * from (values " + ", ".join("(1)" for _ in range(300_000)) + ")",
    " union all ".join(["select id from agent_orders"] * 5_000),
    "pivot agent_orders on id in (" + ", ".join(map(str, range(900))) + ") using sum(amount), "
    "max(amount), min(amount) group by customer_id",
    "select " + ", ".join(f"sum(amount) over (order by id % {n})" for n in range(2, 300))
    + " from agent_orders",
]  # fmt: skip
DISK = [
    f"copy (select a.body from {_NOTES}) to 'out.csv'",
    f"copy (select a.body from {_NOTES}) to '/tmp/grounded-bomb.parquet'",
    f"copy (select a.body from {_NOTES}) to '/dev/shm/grounded-bomb.csv'",
    "set temp_directory = '/tmp'",
    "attach '/tmp/grounded-bomb.duckdb' as d",
    "export database '/tmp/grounded-bomb'",
    f"create table v0.main.t as select a.body from {_NOTES}",
    "insert into v0.main.agent_orders select a.* from agent_orders a, agent_orders b",
]
BOMBS = {
    f"{kind} {number}": sql
    for kind, bombs in {"memory": MEMORY, "time": TIME, "plan": PLAN, "disk": DISK}.items()
    for number, sql in enumerate(bombs)
}
