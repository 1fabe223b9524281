/** Short messages at the edge of the page. */

import { dismiss, messages } from "../state.ts";
import { Icon } from "./icons.tsx";
import { sentence } from "./problem.tsx";

export function Messages() {
  return (
    <div class="messages" aria-live="polite">
      {messages.value.map((message) => (
        <div key={message.id} class={message.bad ? "message bad" : "message"}>
          <p>
            {sentence(message.text)} {message.remedy}
          </p>
          <button
            type="button"
            class="bare"
            aria-label="Dismiss"
            onClick={() => dismiss(message.id)}
          >
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}
