"""Preparation: from events as recorded to events worth learning from, every change counted.

::

    step        Rows, which flow through the steps; Step, what each of them does; Outcome
    spelling    CleanIds: several spellings of one id
    selecting   Deduplicate, DropMissing, Between: rows that go, by what stands in them
    people      DropRobots, KCore: rows that go, by what else their user or item did
    values      ClipValues, DropOutliers, Binarise: values by their size
    levels      Impute, Normalise: values by the level of their user or item
    preparing   prepare: steps in order, the report; replay on new rows; restore the scale; on disk

These are steps on a table, made before training. What a row weighs as evidence (weights per kind,
decay, thresholds) is for ``Feedback``, which travels in the model and answers requests too.
"""
