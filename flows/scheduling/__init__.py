"""Schedules: what the settings say runs when, as deployments of Prefect, as systemd's timers, or as lines for cron."""
