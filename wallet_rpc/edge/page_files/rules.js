// The rules that the server keeps for a session, in words, with what remains of each.
import { nameAll, nameOf } from "./accounts.js";
import { count, native, number, timeText } from "./dom.js";

const period = (name) => (name === "total" ? "in all" : `in each ${name}`);
const amount = (value, token) => (token ? `${count(value, "unit")} of ${nameOf(token)}` : native(value, 18));
const list = (values) => values.slice(0, 5).flatMap((each, index) => [index > 0 ? ", " : "", ...nameAll(each)]).concat(values.length > 5 ? ` and ${values.length - 5} others` : []);

const TEXTS = {
  amount: ({ limit, token, period: each }, left) => [`At most ${amount(limit, token)} ${period(each)}`, left && `, ${amount(left.remaining, token)} left`],
  calls: ({ limit, period: each }, left) => [`At most ${count(limit, "call")} ${period(each)}`, left && `, ${number(left.remaining)} left`],
  rate: ({ limit, seconds }, left) => [`At most ${count(limit, "operation")} in any ${seconds} s`, left && `, ${number(left.remaining)} left`],
  recipients: ({ allow, block }) => (allow ? ["Pay only ", ...list(allow)] : ["Never pay ", ...list(block)]),
  argument: ({ contract, function: signature, path, equals, atMost, oneOf }) => [
    `In ${signature}`, ...(contract ? [" of ", ...nameAll(contract)] : []), `, argument ${path} is `,
    ...(oneOf ? ["one of ", ...list(oneOf)] : atMost !== undefined ? [`at most ${/^(-?\d+|0x[0-9a-f]+)$/i.test(atMost) ? number(atMost) : atMost}`] : nameAll(equals))],
  "not-before": ({ time }) => ["Not before ", timeText(time)],
  hours: ({ days, opens, closes, timeZone }) => [`Only from ${opens} to ${closes} (${timeZone}), ${days.length === 7 ? "every day" : days.join(", ")}`],
  approval: ({ above, token }) => [above === undefined ? "Every operation waits for an approval" : `Above ${amount(above, token)}, an operation waits for an approval`],
};

// The rules of a session, each as a list of texts and elements; a kind that is not known here is shown as JSON.
export function describeRules(description) {
  const rules = (description?.rules ?? []).map(({ rule, usage }) => TEXTS[rule.type]?.(rule, usage) ?? [JSON.stringify(rule)]);
  const others = description?.otherRules ?? 0;
  return others > 0 ? [...rules, [`${others} rules of other organisations`]] : rules;
}
