// The one word for a case, and the alarm of an event: both are also classes of the style sheet.

// Return what matters most of a case.
export function mostUrgentState(item) {
  return item.calling ? "calling" : item.overdue ? "overdue" : item.state;
}

const ALARMS = {
  "deadline-missed": "overdue",
  "call-raised": "calling",
  "case-parked": "calling",
};

export const alarmOf = (eventType) => ALARMS[eventType] ?? "";
