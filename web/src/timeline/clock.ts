/** Times, shares and names as people read them. */

/** Seconds as "1:02:03.4", with as many decimals as asked for. */
export function clock(seconds: number, decimals = 0): string {
  const unit = 10 ** decimals;
  const whole = Math.round(seconds * unit) / unit;
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const rest = (whole % 60).toFixed(decimals).padStart(decimals ? decimals + 3 : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** With a capital letter. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** "42 %", with a space that does not break. */
export function percent(share: number): string {
  return `${Math.round(100 * share)}\u00a0%`;
}

/** "+0.42", with a minus sign that is one. */
export function signed(value: number): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
}

const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** A moment as its reader's own country writes it. */
export function moment(iso: string): string {
  return DAY.format(new Date(iso));
}

/** "3 days", "5 hours": how long until a moment. */
export function until(iso: string, now = Date.now()): string {
  const hours = (new Date(iso).getTime() - now) / 3_600_000;
  if (hours <= 0) return "any moment";
  const [count, unit] =
    hours >= 48 ? [Math.floor(hours / 24 + 0.02), "day"] : [Math.ceil(hours), "hour"];
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

/** "1.2 MB". */
export function size(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB"];
  let unit = 0;
  let value = bytes;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}
