/** A question that has to be answered before anything else. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

interface Props {
  title: string;
  /** On the button that does it. */
  action: string;
  danger?: boolean;
  children: ComponentChildren;
  onAct: () => void;
  onCancel: () => void;
}

export function Ask({ title, action, danger = false, children, onAct, onCancel }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const opened = dialog.current;
    opened?.showModal();
    return () => opened?.close();
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby="question" onCancel={onCancel}>
      <h2 id="question">{title}</h2>
      {children}
      <div class="row end">
        <button type="button" class="quiet" onClick={onCancel}>
          Cancel
        </button>
        <button type="button" class={danger ? "danger" : "primary"} onClick={onAct}>
          {action}
        </button>
      </div>
    </dialog>
  );
}
