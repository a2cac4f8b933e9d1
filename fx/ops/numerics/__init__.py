"""Pure numerical kernels: functions of an array module ``xp`` and its arrays, and nothing of fx."""
