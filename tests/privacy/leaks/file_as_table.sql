-- A path in place of a table.
-- caught_by: proof
-- says: cannot be followed

select * from 'people.csv'
