"""Fill a canvas of masks: schedules, commit rules and samplers. NumPy only; no files, engines, audio or pixels."""
