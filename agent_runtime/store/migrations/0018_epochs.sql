-- The claim that a model call was made under: what a lost worker asked, and another asked again, is
-- told apart by it. NULL: it was made before this was kept.
ALTER TABLE model_calls ADD COLUMN epoch INTEGER;
