// One surface of A2UI v0.9, basic catalog: its components as elements, its data model, and what people do with them.
// Knows the DOM; knows no network. Inputs write to the model at once; only buttons make actions.

const HEADINGS = new Set(["h1", "h2", "h3", "h4", "h5"]);
const SIGNS = { play: "▶", pause: "⏸", stop: "⏹", skipNext: "⏭", skipPrevious: "⏮", add: "+", close: "✕", check: "✓", favorite: "♥",
  star: "★", settings: "⚙", home: "⌂", search: "⌕", warning: "⚠", delete: "🗑", notifications: "🔔", lock: "🔒", mail: "✉",
  phone: "☎", camera: "📷", refresh: "⟳", volumeUp: "🔊", volumeOff: "🔇", person: "👤", print: "🖶", help: "?", edit: "✎",
  arrowBack: "←", arrowForward: "→", calendarToday: "📅", shoppingCart: "🛒", upload: "⇧", download: "⇩", visibility: "👁" };

export class Surface {
  // on: {action(object), change(path, value)}
  constructor(root, on) {
    Object.assign(this, { root, on });
    this.clear();
  }

  clear() {
    this.components = new Map();
    this.data = {};
    this.shown = false;
    this.root.replaceChildren();
  }

  take(message) {
    if (message.deleteSurface || message.createSurface) this.clear();
    const model = message.updateDataModel;
    if (model) this.write(model);
    for (const each of message.updateComponents?.components ?? []) {
      this.components.set(each.id, { ...each, isNew: !this.components.has(each.id) });
    }
    if (this.components.has("root")) this.draw();
  }

  write({ path = "/", value }) {
    if (path === "/") this.data = value ?? {};
    else if (value === undefined) delete this.data[path.slice(1)];
    else this.data[path.slice(1)] = value;
  }

  draw() {
    const focused = document.activeElement?.id;
    this.root.replaceChildren(...this.made("root"));
    this.shown = true;
    for (const each of this.components.values()) each.isNew = false;
    if (focused) this.root.querySelector(`[id="${CSS.escape(focused)}"]`)?.focus();
  }

  value(given) {
    return given && typeof given === "object" && "path" in given ? this.data[given.path.slice(1)] : given;
  }

  set(given, value) {
    if (!given?.path) return;
    this.data[given.path.slice(1)] = value;
    this.on.change(given.path, value);
  }

  made(id) {
    const each = this.components.get(id);
    if (!each) return [];
    const element = this[`make${each.component}`]?.(each) ?? node("span", `${each.component}?`);
    element.classList.add(`a2-${each.component.toLowerCase()}`);
    if (each.isNew) element.classList.add("new");
    element.dataset.id = id;
    return [element];
  }

  holder(tag, ids) {
    const element = document.createElement(tag);
    element.append(...(ids ?? []).flatMap((id) => this.made(id)));
    return element;
  }

  makeCard(each) { return this.holder("article", [each.child]); }
  makeColumn(each) { return this.holder("div", each.children); }
  makeRow(each) { return this.holder("div", each.children); }
  makeList(each) { return this.holder("div", each.children); }
  makeTabs(each) {
    const element = document.createElement("div");
    for (const tab of each.tabs) element.append(node("h4", this.value(tab.title)), ...this.made(tab.child));
    return element;
  }
  makeModal(each) {
    const element = document.createElement("details");
    const summary = document.createElement("summary");
    summary.append(...this.made(each.trigger));
    element.append(summary, ...this.made(each.content));
    return element;
  }
  makeDivider() { return document.createElement("hr"); }
  makeText(each) {
    const element = node(HEADINGS.has(each.variant) ? each.variant : "p", this.value(each.text) ?? "");
    if (each.variant === "caption") element.classList.add("caption");
    return element;
  }
  makeIcon(each) {
    const element = node("span", SIGNS[each.name] ?? "•");
    element.setAttribute("role", "img");
    element.setAttribute("aria-label", typeof each.name === "string" ? each.name : "icon");
    return element;
  }
  makeImage(each) { return this.medium(each, "picture"); }
  makeVideo(each) { return this.medium(each, "video"); }
  makeAudioPlayer(each) { return this.medium(each, "sound"); }
  medium(each, kind) {
    return node("div", this.value(each.description) || `${kind}: no source yet`);
  }

  makeButton(each) {
    const element = this.holder("button", [each.child]);
    element.type = "button";
    element.id = `a2-${each.id}`;
    if (each.variant) element.classList.add(each.variant);
    element.onclick = () => {
      const event = each.action?.event;
      if (!event) return;
      const context = Object.fromEntries(Object.entries(event.context ?? {}).map(([key, value]) => [key, this.value(value)]));
      this.on.action({ name: event.name, surfaceId: "main", sourceComponentId: each.id, timestamp: new Date().toISOString(), context });
    };
    return element;
  }

  // ---- inputs

  labeled(each, input, after = false) {
    const label = document.createElement("label");
    input.id = `a2-${each.id}`;
    const text = node("span", each.label ?? "");
    label.append(...(after ? [input, text] : [text, input]));
    return label;
  }
  makeSlider(each) {
    const input = Object.assign(document.createElement("input"), { type: "range", min: each.min ?? 0, max: each.max });
    input.step = Number.isInteger(each.min ?? 0) && each.max - (each.min ?? 0) >= 5 ? 1 : "any";
    input.value = this.value(each.value);
    const shown = node("output", input.value);
    input.oninput = () => {
      shown.value = Number(input.value).toString().slice(0, 6);
      this.set(each.value, Number(input.value));
    };
    const label = this.labeled(each, input);
    label.append(shown);
    return label;
  }
  makeCheckBox(each) {
    const input = Object.assign(document.createElement("input"), { type: "checkbox", checked: this.value(each.value) === true });
    input.setAttribute("role", "switch");
    input.onchange = () => this.set(each.value, input.checked);
    return this.labeled(each, input, true);
  }
  makeTextField(each) {
    const input = document.createElement(each.variant === "longText" ? "textarea" : "input");
    if (each.variant !== "longText") input.type = { number: "number", obscured: "password" }[each.variant] ?? "text";
    input.value = this.value(each.value) ?? "";
    input.onchange = () => this.set(each.value, input.value);
    return this.labeled(each, input);
  }
  makeDateTimeInput(each) {
    const type = each.enableDate ? (each.enableTime ? "datetime-local" : "date") : "time";
    const input = Object.assign(document.createElement("input"), { type, value: this.value(each.value) ?? "" });
    input.onchange = () => this.set(each.value, input.value);
    return this.labeled(each, input);
  }
  makeChoicePicker(each) {
    const group = document.createElement("fieldset");
    if (each.label) group.append(node("legend", each.label));
    const many = each.variant === "multipleSelection";
    const chosen = new Set(this.value(each.value) ?? []);
    for (const option of each.options) {
      const input = Object.assign(document.createElement("input"), { type: many ? "checkbox" : "radio", name: each.id });
      input.checked = chosen.has(option.value);
      input.onchange = () => {
        if (!many) chosen.clear();
        if (input.checked) chosen.add(option.value);
        else chosen.delete(option.value);
        this.set(each.value, [...chosen]);
      };
      group.append(this.labeled({ id: `${each.id}-${option.value}`, label: option.label }, input, true));
    }
    return group;
  }
}

function node(tag, text) {
  return Object.assign(document.createElement(tag), { textContent: String(text) });
}
