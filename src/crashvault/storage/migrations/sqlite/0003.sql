-- The number is taken by a step of another branch.
SELECT 1;
