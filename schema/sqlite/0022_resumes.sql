-- A subscriber that is paused and resumed at once looks as before. By the count a lane sees that it was resumed.
ALTER TABLE subscriber ADD COLUMN resumes INTEGER NOT NULL DEFAULT 0;
