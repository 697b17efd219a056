-- Rollouts that stand beside each other: variants that prompts declare are each watched on their
-- own, beside the one that people have started (subject '').
ALTER TABLE rollouts ADD COLUMN subject TEXT NOT NULL DEFAULT '';
DROP INDEX rollouts_running;
CREATE UNIQUE INDEX rollouts_running ON rollouts (tenant, workflow, subject)
    WHERE state = 'running';
