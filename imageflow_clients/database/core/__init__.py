"""What every domain uses: engine, migrations, where tables are gathered, and the rows of runs."""
