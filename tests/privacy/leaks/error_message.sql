-- The value in an error's text, so in a log.
-- caught_by: proof
-- says: cannot be followed

select case when email like '%@%' then error(email) else 'none' end as k
from {{ ref('dim_customers') }}
