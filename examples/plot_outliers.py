"""
A pump that is not as usual
===========================

This example watches a pump by three sensors: its vibration, its pressure and its temperature. The stream has three
faults that no limit on a sensor would notice, as each value is within the usual range: the rhythm of the vibration is
faster for a while, the pressure is stuck, and the temperature no longer follows the load.

``SequenceOutlierDetector`` learns from the first part of the stream, which has no faults that anybody knows of. Its
threshold comes from the last fifth of this part, which it was not trained on. The script prints the shares of steps
that raise an alarm, and the errors of each sensor, and writes the figure ``outliers.png``. The fault of the temperature
shows in the pressure, too: forecasts of the pressure rely on the load, which the temperature tells.
"""

import matplotlib.pyplot as plt
import numpy as np

from skrnn import SequenceOutlierDetector

plt.switch_backend("agg")  # the figure goes to a file, so no display is needed

# %%
# A stream of 4000 steps
# ----------------------

rng = np.random.default_rng(0)
n_steps, n_train = 4000, 2500
sensors = ["vibration", "pressure", "temperature"]
faults = {"vibration": slice(2800, 2880), "pressure": slice(3150, 3230), "temperature": slice(3500, 3620)}

load = np.sin(2 * np.pi * np.arange(n_steps) / 250) + np.convolve(rng.normal(0, 0.6, n_steps), np.ones(40) / 40, "same")
speed = np.full(n_steps, 0.8)
speed[faults["vibration"]] = 1.1  # the faster rhythm
vibration = (1 + 0.2 * load) * np.sin(np.cumsum(speed))
pressure = 5 + load + 0.5 * np.sin(0.4 * np.arange(n_steps))
temperature = 60 + 4 * np.convolve(load, np.ones(30) / 30, "same")
stream = np.column_stack([vibration, pressure, temperature]) + rng.normal(0, [0.15, 0.1, 0.2], (n_steps, 3))
stuck, free = faults["pressure"], faults["temperature"]
stream[stuck, 1] = stream[stuck.start, 1]
stream[free, 2] = 60 + rng.normal(0, 1.0, free.stop - free.start)

# %%
# Learn what is usual
# -------------------
# A single stream is a list with one array.

detector = SequenceOutlierDetector(32, smoothing=20, random_state=0).fit([stream[:n_train]])
(scores,) = detector.step_scores([stream[n_train:]])
(of_channels,) = detector.channel_scores([stream[n_train:]])
relative = of_channels / detector.usual_channel_scores_  # 1 is usual
alarm = scores < detector.step_offset_

# %%
# Alarms, and where they come from
# --------------------------------

is_fault = np.zeros(n_steps, bool)
for sensor, steps in faults.items():
    is_fault[steps] = True
    seen = slice(steps.start - n_train + 20, steps.stop - n_train)
    errors = ", ".join(f"{name} {x:.1f}" for name, x in zip(sensors, relative[seen].mean(axis=0), strict=True))
    print(f"{sensor:12} alarms at {alarm[seen].mean():4.0%} of the steps; errors, where 1 is usual: {errors}")
print(f"{'elsewhere':12} alarms at {alarm[~is_fault[n_train:]].mean():4.1%} of the steps")

# %%
# The figure shows the sensors, with the faults in grey, and below them minus the score of each step with the threshold.

steps = np.arange(n_train, n_steps)
_, axes = plt.subplots(4, 1, figsize=(9, 7), sharex=True, layout="constrained", height_ratios=[1, 1, 1, 1.5])
for axis, sensor, values in zip(axes, sensors, stream[n_train:].T, strict=False):
    axis.plot(steps, values, color="tab:blue", linewidth=0.7)
    axis.axvspan(faults[sensor].start, faults[sensor].stop, color="0.85")
    axis.set_ylabel(sensor)
axes[3].plot(steps, -scores, color="black", linewidth=0.9, label="distance of the last 20 steps")
axes[3].axhline(-detector.step_offset_, color="tab:red", linestyle="--", label="threshold, from held-out steps")
axes[3].fill_between(steps, 0, -scores, where=alarm, color="tab:red", alpha=0.4, label="alarm")
for fault in faults.values():
    axes[3].axvspan(fault.start, fault.stop, color="0.85", zorder=0)
axes[3].set(ylabel="minus score", xlabel="step", xlim=(n_train, n_steps), ylim=(0, 1.05 * -scores.min()))
axes[3].legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), ncols=3, frameon=False)
axes[0].set_title("Three faults (grey), each within the usual range of its sensor")
plt.savefig("outliers.png", dpi=150)
